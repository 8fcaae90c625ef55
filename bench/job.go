package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// client is one of the two that are compared.
type client interface {
	// seed makes room for n clients and stores their sessions, as a store that is no part of the
	// client would hold them.
	seed(ctx context.Context, n int) error
	// room makes room for n clients without sessions.
	room(n int)
	// connect starts the clients [from, to). It returns when all are ready for calls.
	connect(ctx context.Context, from, to int) error
	// call makes one help.getNearestDc on client i.
	call(ctx context.Context, i int) error
	close()
}

// storedKey is a logged-in session that both clients resume.
type storedKey struct {
	Key    []byte `json:"key"`
	Salt   int64  `json:"salt"`
	UserID int64  `json:"user_id"`
}

func loadKeys(path string) ([]storedKey, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var keys []storedKey
	return keys, json.Unmarshal(b, &keys)
}

const (
	rpcs    = 20_000
	warmUp  = 2_000
	timeout = 20 * time.Minute // 5,000 key exchanges on a busy machine
)

func (t job) run(role string) (numbers, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	var c client
	var err error
	switch role {
	case "ours":
		c, err = newOurs(t)
	case "gotd":
		c, err = newGotd(t)
	default:
		err = fmt.Errorf("no role %q", role)
	}
	if err != nil {
		return nil, err
	}
	defer c.close()
	done, err := t.profile()
	if err != nil {
		return nil, err
	}
	defer done()
	switch t.What {
	case "prepare":
		return numbers{}, prepare(ctx, c, t)
	case "exchange":
		return t.exchange(ctx, c)
	case "idle", "idle_5000", "idle_obfuscated", "at_once":
		return t.idle(ctx, c)
	case "rpc1x64":
		return t.rpc(ctx, c, "rpc_cpu_us_1x64", 64)
	case "sends":
		return t.sends(ctx, c)
	case "updates1", "updates500":
		return t.updates(ctx, c)
	case "files":
		return t.files(ctx, c)
	case "huge":
		return t.huge(ctx, c)
	case "channels":
		return t.channels(ctx, role)
	case "rpc500x1":
		return t.rpc(ctx, c, "rpc_cpu_us_500x1", t.N)
	}
	return nil, fmt.Errorf("no task %q", t.What)
}

func prepare(ctx context.Context, c client, t job) error {
	o, ok := c.(*ours)
	if !ok {
		return errors.New("keys are made by ours")
	}
	return o.prepare(ctx, t)
}

func (t job) exchange(ctx context.Context, c client) (numbers, error) {
	c.room(t.N)
	before := cpuTime()
	if err := c.connect(ctx, 0, t.N); err != nil {
		return nil, err
	}
	return numbers{"key_exchange_cpu_ms": float64((cpuTime() - before).Microseconds()) / 1000 / float64(t.N)}, nil
}

// resume starts all clients with stored sessions.
func (t job) resume(ctx context.Context, c client) error {
	if err := c.seed(ctx, t.N); err != nil {
		return err
	}
	return c.connect(ctx, 0, t.N)
}

// warm is how many clients run before the memory of further ones is measured: the process has
// then touched its code and made what all clients share.
const warm = 100

// calm is how long clients have been idle when they are measured: deadlines of what they did
// while they connected have passed.
const calm = 12 * time.Second

// comeUp is how long clients take to connect whose memory is measured: 1,000 at the pace at which a node
// starts accounts by default.
const comeUp = 20 * time.Second

// idle measures what one more connected client costs that does nothing.
func (t job) idle(ctx context.Context, c client) (numbers, error) {
	if err := c.seed(ctx, warm+t.N); err != nil {
		return nil, err
	}
	if err := c.connect(ctx, 0, warm); err != nil {
		return nil, err
	}
	rss, goroutines := settled(), runtime.NumGoroutine()
	began := time.Now()
	connect := paced
	if t.What == "at_once" {
		connect = client.connect
	}
	if err := connect(c, ctx, warm, warm+t.N); err != nil {
		return nil, err
	}
	took := time.Since(began)
	time.Sleep(calm)
	memory := float64(settled()-rss) / float64(t.N)
	if t.What == "at_once" {
		return numbers{"idle_bytes_per_account_at_once": memory, "resume_per_s": float64(t.N) / took.Seconds()}, nil
	}
	suffix := strings.TrimPrefix(t.What, "idle")
	return numbers{
		"idle_bytes_per_account" + suffix:      memory,
		"idle_goroutines_per_account" + suffix: float64(runtime.NumGoroutine()-goroutines) / float64(t.N),
	}, nil
}

// paced connects the clients [from, to) evenly over the time of comeUp.
func paced(c client, ctx context.Context, from, to int) error {
	const steps = 100
	tick := time.NewTicker(comeUp / steps)
	defer tick.Stop()
	for step := range steps {
		if err := c.connect(ctx, from+(to-from)*step/steps, from+(to-from)*(step+1)/steps); err != nil {
			return err
		}
		<-tick.C
	}
	return nil
}

func (t job) obfuscated() bool { return t.What == "idle_obfuscated" }

// settled is the resident memory after collection.
func settled() int64 {
	for range 3 {
		debug.FreeOSMemory()
		time.Sleep(200 * time.Millisecond) // the scavenger and late timers
	}
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(v)[0], 10, 64)
			if err != nil {
				return 0
			}
			return kb << 10
		}
	}
	return 0
}

// rpc measures calls with so many in flight, spread over the clients.
func (t job) rpc(ctx context.Context, c client, key string, inFlight int) (numbers, error) {
	if err := t.resume(ctx, c); err != nil {
		return nil, err
	}
	if err := t.flood(ctx, c.call, inFlight, warmUp); err != nil {
		return nil, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu := cpuTime()
	if err := t.flood(ctx, c.call, inFlight, rpcs); err != nil {
		return nil, err
	}
	spent := cpuTime() - cpu
	runtime.ReadMemStats(&after)
	return numbers{
		key:          float64(spent.Nanoseconds()) / 1000 / rpcs,
		"rpc_allocs": float64(after.Mallocs-before.Mallocs) / rpcs,
	}, nil
}

// flood makes so many calls, as many at once as inFlight says, spread over the clients.
func (t job) flood(ctx context.Context, call func(ctx context.Context, i int) error, inFlight, calls int) error {
	var left atomic.Int64
	left.Store(int64(calls))
	var wg sync.WaitGroup
	failed := make(chan error, inFlight)
	for w := range inFlight {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := call(ctx, w%t.N); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// cpuTime is what this process has used, in user and kernel.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
