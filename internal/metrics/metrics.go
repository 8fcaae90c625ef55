// Package metrics serves what operators watch: Prometheus metrics, and whether the node is alive and ready.
//
// # Usage
//
//	http.Serve(listener, metrics.Handler(sources))
//
// It answers /metrics, /healthz and /readyz. Values are read when they are asked for, so counting costs nothing else.
// No label names an account, a phone number or a peer; consumers and webhooks go by their names.
//
// # Concurrency
//
// A Handler is safe for concurrent use, and calls its sources from any goroutine.
//
// # Errors
//
// A source that fails makes its metrics missing and counts in orchestrator_scrape_errors_total; the others are served.
package metrics

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/tally"
)

// scrapeTimeout bounds what sources may take for one scrape; it is below Prometheus's own of 10 s.
const scrapeTimeout = 5 * time.Second

// Lag is how far a consumer or webhook is behind the event log.
type Lag struct {
	Kind   string // consumer, webhook
	Name   string
	Events uint64 // records of all accounts behind its place
	Behind uint64 // accounts with unsettled events before it
}

// Sources are what is served. All are needed.
type Sources struct {
	Tally *tally.Connections
	// Records counts what was appended to the event log.
	Records func() uint64
	// Sockets is how many are open.
	Sockets func() int
	// States counts the accounts that this node owns by their state.
	States func() map[fleet.State]int
	// DiskFree is what the disk of the data directory has left, in bytes.
	DiskFree func() (uint64, error)
	// LogFree is what the event log can still take, in bytes; limited is false when nothing says so.
	LogFree func(ctx context.Context) (bytes uint64, limited bool, err error)
	// Lags are those of the consumers and webhooks that this node works on.
	Lags func(ctx context.Context) ([]Lag, error)
	// Ready is nil while the node takes calls.
	Ready func() error
}

// Handler serves the sources.
func Handler(s Sources) http.Handler {
	registry := prometheus.NewRegistry()
	c := &collector{Sources: s, failed: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "orchestrator_scrape_errors_total", Help: "Values that could not be read for a scrape.",
	}, []string{"source"})}
	registry.MustRegister(c, collectors.NewGoCollector(), collectors.NewBuildInfoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
	return mux
}

// collector reads the sources for each scrape.
type collector struct {
	Sources
	failed *prometheus.CounterVec
}

// metric is one of ours.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func newMetric(kind prometheus.ValueType, name, help string, labels ...string) metric {
	return metric{prometheus.NewDesc("orchestrator_"+name, help, labels, nil), kind}
}

var (
	ready     = newMetric(prometheus.GaugeValue, "ready", "1 while the node holds its lease and takes calls.")
	accounts  = newMetric(prometheus.GaugeValue, "accounts", "Accounts that this node owns, by state.", "state")
	sockets   = newMetric(prometheus.GaugeValue, "sockets", "Open connections to Telegram.")
	dials     = newMetric(prometheus.CounterValue, "dials_total", "Tries to connect to Telegram, by result.", "result")
	ended     = newMetric(prometheus.CounterValue, "connections_ended_total", "Connections and tries that ended other than on request, by what they asked for.", "reason")
	refused   = newMetric(prometheus.CounterValue, "messages_refused_total", "Messages of ours that Telegram has refused, by code of bad_msg_notification; most are repaired.", "code")
	faults    = newMetric(prometheus.CounterValue, "session_faults_total", "Refused messages that ended an MTProto session, by code; 18, 19, 34 and 35 are faults of ours.", "code")
	rejected  = newMetric(prometheus.CounterValue, "packets_rejected_total", "Packets of Telegram's that were refused, by the rule that they broke.", "rule")
	answers   = newMetric(prometheus.CounterValue, "rpc_answers_total", "Telegram's answers to queries, by class.", "class")
	calls     = newMetric(prometheus.CounterValue, "calls_total", "Calls of users, by outcome.", "outcome")
	appended  = newMetric(prometheus.CounterValue, "event_records_appended_total", "Records that this node has appended to the event log.")
	diskFree  = newMetric(prometheus.GaugeValue, "disk_free_bytes", "What the disk of the data directory has left.")
	logFree   = newMetric(prometheus.GaugeValue, "event_log_free_bytes", "What the event log can still take; missing when an external NATS sets no limit.")
	lagEvents = newMetric(prometheus.GaugeValue, "consumer_lag_records", "Records behind the place of a consumer or webhook that this node works on.", "kind", "name")
	behind    = newMetric(prometheus.GaugeValue, "consumer_accounts_behind", "Accounts with unsettled events before that place.", "kind", "name")
)

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, m := range []metric{
		ready, accounts, sockets, dials, ended, refused, faults, rejected, answers, calls, appended, diskFree, logFree, lagEvents, behind,
	} {
		out <- m.desc
	}
	c.failed.Describe(out)
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	put := func(m metric, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, v, labels...)
	}
	put(ready, truth(c.Ready() == nil))
	states := c.States()
	for _, s := range fleet.States() {
		put(accounts, float64(states[s]), string(s))
	}
	put(sockets, float64(c.Sockets()))
	put(appended, float64(c.Records()))
	c.collectTally(put)
	c.collectSpace(ctx, put)
	lags, err := c.Lags(ctx)
	c.note("consumers", err)
	for _, l := range lags {
		put(lagEvents, float64(l.Events), l.Kind, l.Name)
		put(behind, float64(l.Behind), l.Kind, l.Name)
	}
	c.failed.Collect(out)
}

func (c *collector) collectTally(put func(metric, float64, ...string)) {
	words(put, dials, c.Tally.Dials.Counts())
	words(put, ended, c.Tally.Ended.Counts())
	words(put, rejected, c.Tally.Rejected.Counts())
	words(put, answers, c.Tally.Answers.Counts())
	words(put, calls, c.Tally.Calls.Counts())
	for code, n := range c.Tally.Refused.Counts() {
		put(refused, float64(n), strconv.Itoa(code))
	}
	for code, n := range c.Tally.Faults.Counts() {
		put(faults, float64(n), strconv.Itoa(code))
	}
}

func words(put func(metric, float64, ...string), m metric, counts map[string]uint64) {
	for word, n := range counts {
		put(m, float64(n), word)
	}
}

func (c *collector) collectSpace(ctx context.Context, put func(metric, float64, ...string)) {
	disk, err := c.DiskFree()
	if c.note("disk", err) {
		put(diskFree, float64(disk))
	}
	log, limited, err := c.LogFree(ctx)
	if c.note("event_log", err) && limited {
		put(logFree, float64(log))
	}
}

// note counts the failure of a source, and reports whether there was none.
func (c *collector) note(source string, err error) bool {
	n := c.failed.WithLabelValues(source)
	if err != nil {
		n.Inc()
	}
	return err == nil
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
