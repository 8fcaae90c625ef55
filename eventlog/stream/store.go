package stream

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/telefleet/orchestrator/fleet"
)

// ErrMismatch: the subject's last sequence is not the expected one; nothing was stored.
var ErrMismatch = errors.New("wrong last sequence")

// ErrFull: the store has no space left for the record.
var ErrFull = errors.New("the store is full")

// fullCodes are JetStream's codes for that: insufficient resources, storage resources exceeded for the
// account, resource limits exceeded for the account.
var fullCodes = []jetstream.ErrorCode{10023, 10047, 10002}

// ErrSilent: the store gave no next record in time. It may be busy: worth another try.
var ErrSilent = errors.New("the store is silent")

// RefusedError: the store answered that it did not store the record.
type RefusedError struct{ err error }

// Error implements error.
func (e *RefusedError) Error() string { return "store refused the record: " + e.err.Error() }

// Unwrap gives the store's own answer.
func (e *RefusedError) Unwrap() error { return e.err }

// Limits of one read, and how waits for the store are paced.
const (
	PageRecords = 256
	pageBytes   = 2 << 20
	// Timeout bounds one question to the store, and in a page the wait for the next record.
	Timeout = 15 * time.Second
	// NoLeaderWait paces the repeats while a stream has no leader.
	NoLeaderWait = 250 * time.Millisecond
)

// Store is the little of NATS that the log needs: one stream with a subject for each account.
type Store struct {
	JS     jetstream.JetStream
	Stream jetstream.Stream
	Name   string
	Prefix string // of subjects, with the dot

	// Request sends an append and waits for its acknowledgement; tests put faults here.
	Request func(ctx context.Context, m *nats.Msg) (*nats.Msg, error)
	// Ask sends the question for a page, whose records come to reply; Get that for one record, and waits
	// for it; Patience is how long it may take to the next record. Tests put faults here.
	Ask      func(subject, reply string, data []byte) error
	Get      func(ctx context.Context, subject string, data []byte) (*nats.Msg, error)
	Patience time.Duration

	nc *nats.Conn
}

// Raw is a stored message.
type Raw struct {
	Seq     uint64
	Account fleet.AccountID
	Stored  time.Time
	Data    []byte
	// Origin is what the header OriginHeader says, of a page only.
	Origin string
}

// OriginHeader names the record that a message is a copy of.
const OriginHeader = "Orchestrator-Cursor"

// State is what a stream holds: the sequence of its first record, of the last one ever stored, and
// its bytes.
type State struct{ First, Last, Bytes uint64 }

// Open makes the stream, or brings its settings up to date. Its subjects are "<prefix><account>".
// The settings name the stream and bound it; the rest is set here.
func Open(ctx context.Context, nc *nats.Conn, prefix string, settings jetstream.StreamConfig) (*Store, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	s := &Store{nc: nc, JS: js, Request: nc.RequestMsgWithContext, Ask: nc.PublishRequest, Get: nc.RequestWithContext, Patience: Timeout}
	settings.Subjects = []string{prefix + "*"}
	return s.Beside(ctx, prefix, settings)
}

// Beside makes another stream on the same connection; its subjects are those of the settings, and
// those of the Store begin with prefix.
func (s *Store) Beside(ctx context.Context, prefix string, settings jetstream.StreamConfig) (*Store, error) {
	settings.Discard, settings.Storage, settings.AllowDirect = jetstream.DiscardOld, jetstream.FileStorage, true
	stream, err := s.JS.CreateOrUpdateStream(ctx, settings)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", settings.Name, err)
	}
	other := *s
	other.Stream, other.Name, other.Prefix = stream, settings.Name, prefix
	return &other, nil
}

// Subject is the subject of an account.
func (s *Store) Subject(account fleet.AccountID) string { return s.Prefix + string(account) }

// Account is the account of a subject.
func (s *Store) Account(subject string) fleet.AccountID {
	return fleet.AccountID(strings.TrimPrefix(subject, s.Prefix))
}

// Publish appends body if the subject's last sequence is expected (0: none). Its error is
// ErrMismatch, a *RefusedError, or anything else for an unknown outcome.
func (s *Store) Publish(ctx context.Context, account fleet.AccountID, body []byte, expected uint64) (uint64, error) {
	m := &nats.Msg{Subject: s.Subject(account), Data: body, Header: nats.Header{
		jetstream.ExpectedStreamHeader:      []string{s.Name},
		jetstream.ExpectedLastSubjSeqHeader: []string{strconv.FormatUint(expected, 10)},
	}}
	for {
		reply, err := s.Request(ctx, m)
		if Unsent(err) {
			if !Sleep(ctx, NoLeaderWait) {
				return 0, &RefusedError{err}
			}
			continue
		}
		if err != nil {
			return 0, err
		}
		return ParseAck(reply.Data)
	}
}

// Unsent tells errors after which nothing was done: the stream has no leader, or the connection
// is down (it keeps no buffer).
func Unsent(err error) bool {
	return errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrReconnectBufExceeded) ||
		errors.Is(err, jetstream.ErrNoStreamResponse)
}

// ParseAck gives the sequence that an acknowledgement names, or the error of Publish.
func ParseAck(data []byte) (uint64, error) {
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
		return 0, ErrMismatch
	case ack.Error != nil && slices.Contains(fullCodes, ack.Error.ErrorCode):
		return 0, &RefusedError{fmt.Errorf("%w: %w", ErrFull, ack.Error)}
	case ack.Error != nil:
		return 0, &RefusedError{ack.Error}
	case ack.Stream == "" || ack.Seq == 0:
		return 0, fmt.Errorf("acknowledgement without sequence")
	}
	return ack.Seq, nil
}

// Last reads the subject's last record from the stream's leader. (nats.go would use a direct
// get, which any replica answers.)
func (s *Store) Last(ctx context.Context, account fleet.AccountID) (Raw, bool, error) {
	return s.leaderGet(ctx, map[string]any{"last_by_subj": s.Subject(account)})
}

// Next reads the first record of sequence from or later, of one account or of all, from the
// leader.
func (s *Store) Next(ctx context.Context, account fleet.AccountID, from uint64) (Raw, bool, error) {
	subject := s.Prefix + "*"
	if account != "" {
		subject = s.Subject(account)
	}
	return s.leaderGet(ctx, map[string]any{"seq": max(from, 1), "next_by_subj": subject})
}

// At reads the record of one sequence; false when it is gone. A replica that does not have it may be
// behind, so then the leader is asked. ErrSilent when Patience has passed.
func (s *Store) At(ctx context.Context, seq uint64) (Raw, bool, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.Patience, ErrSilent)
	defer cancel()
	m, err := s.Get(ctx, "$JS.API.DIRECT.GET."+s.Name, fmt.Appendf(nil, `{"seq":%d}`, seq))
	for Unsent(err) && Sleep(ctx, NoLeaderWait) {
		m, err = s.Get(ctx, "$JS.API.DIRECT.GET."+s.Name, fmt.Appendf(nil, `{"seq":%d}`, seq))
	}
	if err != nil {
		return Raw{}, false, fmt.Errorf("read record: %w", cmp.Or(context.Cause(ctx), err))
	}
	switch status := m.Header.Get("Status"); status {
	case "":
		raw, err := s.rawOf(m)
		return raw, err == nil, err
	case "404":
		return s.leaderGet(ctx, map[string]any{"seq": seq})
	default:
		return Raw{}, false, fmt.Errorf("read record: status %s %s", status, m.Header.Get("Description"))
	}
}

// rawOf is a message that was read directly.
func (s *Store) rawOf(m *nats.Msg) (r Raw, err error) {
	r = Raw{Account: s.Account(m.Header.Get(jetstream.SubjectHeader)), Data: m.Data, Origin: m.Header.Get(OriginHeader)}
	if r.Seq, err = strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64); err != nil {
		return r, fmt.Errorf("read record: sequence: %w", err)
	}
	r.Stored, _ = time.Parse(time.RFC3339Nano, m.Header.Get(jetstream.TimeStampHeaer))
	return r, nil
}

func (s *Store) leaderGet(ctx context.Context, query map[string]any) (Raw, bool, error) {
	req, err := json.Marshal(query)
	if err != nil {
		return Raw{}, false, fmt.Errorf("read record: %w", err)
	}
	reply, err := s.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+s.Name, req)
	for Unsent(err) && Sleep(ctx, NoLeaderWait) {
		reply, err = s.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+s.Name, req)
	}
	if err != nil {
		return Raw{}, false, fmt.Errorf("read record: %w", err)
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
		return Raw{}, false, fmt.Errorf("read record: %w", err)
	}
	switch m := resp.Message; {
	case resp.Error != nil && resp.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return Raw{}, false, nil
	case resp.Error != nil:
		return Raw{}, false, fmt.Errorf("read record: %w", resp.Error)
	case m == nil:
		return Raw{}, false, fmt.Errorf("read record: empty answer")
	default:
		return Raw{Seq: m.Seq, Account: s.Account(m.Subject), Stored: m.Time, Data: m.Data}, true, nil
	}
}

// State asks the leader.
func (s *Store) State(ctx context.Context) (State, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	info, err := s.Stream.Info(ctx)
	for Unsent(err) && Sleep(ctx, NoLeaderWait) {
		info, err = s.Stream.Info(ctx)
	}
	if err != nil {
		return State{}, fmt.Errorf("event log state: %w", err)
	}
	return State{First: info.State.FirstSeq, Last: info.State.LastSeq, Bytes: info.State.Bytes}, nil
}

// Page reads up to PageRecords records of sequence from or later, of one account or, when it is
// empty, of all. It may be answered by a replica that is behind.
func (s *Store) Page(ctx context.Context, account fleet.AccountID, from uint64) ([]Raw, error) {
	req := map[string]any{"seq": max(from, 1), "batch": PageRecords, "max_bytes": pageBytes}
	if account != "" {
		req["next_by_subj"] = s.Subject(account)
	}
	return s.direct(ctx, req)
}

// FirstSince is the first sequence stored at t or later, 0 when there is none.
func (s *Store) FirstSince(ctx context.Context, t time.Time) (uint64, error) {
	// start_time needs a filter of its own to step over deleted records.
	rs, err := s.direct(ctx, map[string]any{"start_time": t.UTC(), "batch": 1, "next_by_subj": s.Prefix + "*"})
	if err != nil || len(rs) == 0 {
		return 0, err
	}
	return rs[0].Seq, nil
}

func (s *Store) direct(ctx context.Context, req map[string]any) ([]Raw, error) {
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
	if err := s.Ask("$JS.API.DIRECT.GET."+s.Name, inbox, data); err != nil {
		return nil, fmt.Errorf("read page: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silent := time.AfterFunc(s.Patience, func() { cancel(ErrSilent) })
	defer silent.Stop()
	var out []Raw
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return nil, fmt.Errorf("read page: %w", cmp.Or(context.Cause(ctx), err))
		}
		silent.Reset(s.Patience)
		switch status := m.Header.Get("Status"); status {
		case "":
		case "404":
			return nil, nil
		case "204": // the end; what the client dropped as a slow reader shows here
			last, _ := strconv.ParseUint(m.Header.Get(jetstream.LastSequenceHeader), 10, 64)
			if n := len(out); n > 0 && last != 0 && out[n-1].Seq != last {
				return nil, fmt.Errorf("read page: records were lost on the way")
			}
			return out, nil
		default:
			return nil, fmt.Errorf("read page: status %s %s", status, m.Header.Get("Description"))
		}
		r, err := s.rawOf(m)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
}

// Sleep waits for d and reports false when ctx ended first.
func Sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
