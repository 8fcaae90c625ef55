package eventlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/telefleet/orchestrator/fleet"
)

// errMismatch: the subject's last sequence is not the expected one; nothing was stored.
var errMismatch = errors.New("wrong last sequence")

// refusedError: the store answered that it did not store the record.
type refusedError struct{ err error }

func (e *refusedError) Error() string { return "store refused the record: " + e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

const (
	pageRecords = 256
	pageBytes   = 2 << 20
	// noStreamWait paces the repeats while a stream has no leader.
	noStreamWait = 250 * time.Millisecond
)

// store is the little of NATS that the log needs.
type store struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	stream jetstream.Stream
	name   string
	prefix string // of subjects, with the dot

	// request sends an append and waits for its acknowledgement; tests put faults here.
	request func(ctx context.Context, m *nats.Msg) (*nats.Msg, error)
}

// rawRecord is a stored message.
type rawRecord struct {
	seq     uint64
	account fleet.AccountID
	stored  time.Time
	data    []byte
}

type streamState struct {
	first, last uint64
	bytes       uint64
}

func openStore(ctx context.Context, nc *nats.Conn, cfg Config) (*store, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open event log: %w", err)
	}
	s := &store{nc: nc, js: js, name: cfg.Name, prefix: "ev.", request: nc.RequestMsgWithContext}
	if cfg.Name != "EVENTS" {
		s.prefix = "ev_" + strings.ToLower(cfg.Name) + "."
	}
	s.stream, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:              cfg.Name,
		Description:       "events of all accounts; written by the orchestrator only",
		Subjects:          []string{s.prefix + "*"},
		Retention:         jetstream.LimitsPolicy,
		Discard:           jetstream.DiscardOld,
		MaxAge:            cfg.MaxAge,
		MaxBytes:          cfg.MaxBytes,
		MaxMsgsPerSubject: max(cfg.MaxPerAccount, 0),
		MaxMsgSize:        MaxRecordBytes + 4096, // headers
		Storage:           jetstream.FileStorage,
		Replicas:          cfg.Replicas,
		AllowDirect:       true,
	})
	if err != nil {
		return nil, fmt.Errorf("open event log: stream %s: %w", cfg.Name, err)
	}
	return s, nil
}

func (s *store) subject(account fleet.AccountID) string { return s.prefix + string(account) }

func (s *store) account(subject string) fleet.AccountID {
	return fleet.AccountID(strings.TrimPrefix(subject, s.prefix))
}

// publish appends body if the subject's last sequence is expected (0: none). Its error is
// errMismatch, a *refusedError, or anything else for an unknown outcome.
func (s *store) publish(ctx context.Context, account fleet.AccountID, body []byte, expected uint64) (uint64, error) {
	m := &nats.Msg{Subject: s.subject(account), Data: body, Header: nats.Header{
		jetstream.ExpectedStreamHeader:      []string{s.name},
		jetstream.ExpectedLastSubjSeqHeader: []string{strconv.FormatUint(expected, 10)},
	}}
	for {
		reply, err := s.request(ctx, m)
		if unsent(err) {
			if !sleep(ctx, noStreamWait) {
				return 0, &refusedError{err}
			}
			continue
		}
		if err != nil {
			return 0, err
		}
		return parseAck(reply.Data)
	}
}

// unsent tells errors after which nothing was done: the stream has no leader, or the connection
// is down (it keeps no buffer).
func unsent(err error) bool {
	return errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrReconnectBufExceeded) ||
		errors.Is(err, jetstream.ErrNoStreamResponse)
}

func parseAck(data []byte) (uint64, error) {
	var ack struct {
		Stream string              `json:"stream"`
		Seq    uint64              `json:"seq"`
		Error  *jetstream.APIError `json:"error"`
	}
	switch err := json.Unmarshal(data, &ack); {
	case err != nil:
		return 0, fmt.Errorf("acknowledgement: %w", err)
	case ack.Error != nil && (ack.Error.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		ack.Error.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant):
		return 0, errMismatch
	case ack.Error != nil:
		return 0, &refusedError{ack.Error}
	case ack.Stream == "" || ack.Seq == 0:
		return 0, fmt.Errorf("acknowledgement without sequence")
	}
	return ack.Seq, nil
}

// last reads the subject's last record from the stream's leader. (nats.go would use a direct
// get, which any replica answers.)
func (s *store) last(ctx context.Context, account fleet.AccountID) (rawRecord, bool, error) {
	return s.leaderGet(ctx, map[string]any{"last_by_subj": s.subject(account)})
}

// next reads the first record of sequence from or later, of one account or of all, from the
// leader.
func (s *store) next(ctx context.Context, account fleet.AccountID, from uint64) (rawRecord, bool, error) {
	subject := s.prefix + "*"
	if account != "" {
		subject = s.subject(account)
	}
	return s.leaderGet(ctx, map[string]any{"seq": max(from, 1), "next_by_subj": subject})
}

func (s *store) leaderGet(ctx context.Context, query map[string]any) (rawRecord, bool, error) {
	req, err := json.Marshal(query)
	if err != nil {
		return rawRecord{}, false, fmt.Errorf("read record: %w", err)
	}
	reply, err := s.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+s.name, req)
	for unsent(err) && sleep(ctx, noStreamWait) {
		reply, err = s.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+s.name, req)
	}
	if err != nil {
		return rawRecord{}, false, fmt.Errorf("read record: %w", err)
	}
	var resp struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Subject string    `json:"subject"`
			Seq     uint64    `json:"seq"`
			Data    []byte    `json:"data"`
			Time    time.Time `json:"time"`
		} `json:"message"`
	}
	if err := json.Unmarshal(reply.Data, &resp); err != nil {
		return rawRecord{}, false, fmt.Errorf("read record: %w", err)
	}
	switch m := resp.Message; {
	case resp.Error != nil && resp.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return rawRecord{}, false, nil
	case resp.Error != nil:
		return rawRecord{}, false, fmt.Errorf("read record: %w", resp.Error)
	case m == nil:
		return rawRecord{}, false, fmt.Errorf("read record: empty answer")
	default:
		return rawRecord{seq: m.Seq, account: s.account(m.Subject), stored: m.Time, data: m.Data}, true, nil
	}
}

// state asks the leader.
func (s *store) state(ctx context.Context) (streamState, error) {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	info, err := s.stream.Info(ctx)
	for unsent(err) && sleep(ctx, noStreamWait) {
		info, err = s.stream.Info(ctx)
	}
	if err != nil {
		return streamState{}, fmt.Errorf("event log state: %w", err)
	}
	return streamState{first: info.State.FirstSeq, last: info.State.LastSeq, bytes: info.State.Bytes}, nil
}

// page reads up to pageRecords records of sequence from or later, of one account or, when it is
// empty, of all. It may be answered by a replica that is behind.
func (s *store) page(ctx context.Context, account fleet.AccountID, from uint64) ([]rawRecord, error) {
	req := map[string]any{"seq": max(from, 1), "batch": pageRecords, "max_bytes": pageBytes}
	if account != "" {
		req["next_by_subj"] = s.subject(account)
	}
	return s.direct(ctx, req)
}

// firstSince is the first sequence stored at t or later, 0 when there is none.
func (s *store) firstSince(ctx context.Context, t time.Time) (uint64, error) {
	// start_time needs a filter of its own to step over deleted records.
	rs, err := s.direct(ctx, map[string]any{"start_time": t.UTC(), "batch": 1, "next_by_subj": s.prefix + "*"})
	if err != nil || len(rs) == 0 {
		return 0, err
	}
	return rs[0].seq, nil
}

func (s *store) direct(ctx context.Context, req map[string]any) ([]rawRecord, error) {
	data, err := json.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("read page: %w", err)
	}
	inbox := s.nc.NewInbox()
	sub, err := s.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, fmt.Errorf("read page: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := s.nc.PublishRequest("$JS.API.DIRECT.GET."+s.name, inbox, data); err != nil {
		return nil, fmt.Errorf("read page: %w", err)
	}
	var out []rawRecord
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return nil, fmt.Errorf("read page: %w", err)
		}
		switch status := m.Header.Get("Status"); status {
		case "":
		case "404":
			return nil, nil
		case "204": // the end; what the client dropped as a slow reader shows here
			last, _ := strconv.ParseUint(m.Header.Get(jetstream.LastSequenceHeader), 10, 64)
			if n := len(out); n > 0 && last != 0 && out[n-1].seq != last {
				return nil, fmt.Errorf("read page: records were lost on the way")
			}
			return out, nil
		default:
			return nil, fmt.Errorf("read page: status %s %s", status, m.Header.Get("Description"))
		}
		r := rawRecord{account: s.account(m.Header.Get(jetstream.SubjectHeader)), data: m.Data}
		if r.seq, err = strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64); err != nil {
			return nil, fmt.Errorf("read page: sequence: %w", err)
		}
		r.stored, _ = time.Parse(time.RFC3339Nano, m.Header.Get(jetstream.TimeStampHeaer))
		out = append(out, r)
	}
}

// sleep waits for d and reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
