package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// MaxEpochs bounds the table; the oldest epochs are forgotten, see Table.Resolve.
const MaxEpochs = 1024

// Start: sequences from Start on belong to Epoch, until the next one starts. The epoch
// before ended at Start-1; what it once had beyond that was cut off.
type Start struct {
	Epoch uint64 `json:"epoch"`
	Start uint64 `json:"start"`
}

// Table is ascending in Epoch and never empty once loaded. Start may fall: a cut can reach
// back over several epochs.
type Table []Start

// Current is the epoch of what is appended next.
func (t Table) Current() uint64 { return t[len(t)-1].Epoch }

// At is the epoch that seq was written in.
func (t Table) At(seq uint64) uint64 {
	for i := len(t) - 1; i > 0; i-- {
		if t[i].Start <= seq {
			return t[i].Epoch
		}
	}
	return t[0].Epoch
}

// Resolve gives the sequence after which a reader at {epoch, seq} goes on: its own, but not beyond
// the end of its epoch, nor of any later one. An epoch that was forgotten ended where the oldest known
// one starts at the latest.
func (t Table) Resolve(epoch, seq uint64) uint64 {
	for _, e := range t {
		if e.Epoch > epoch {
			seq = min(seq, e.Start-1)
		}
	}
	return seq
}

// With opens a new epoch after last.
func (t Table) With(epoch, last uint64) Table {
	out := append(append(Table(nil), t...), Start{Epoch: epoch, Start: last + 1})
	return out[max(0, len(out)-MaxEpochs):]
}

// Epochs is what is stored. Clean is present only between a clean Close and the next Open.
type Epochs struct {
	Epochs Table  `json:"epochs"`
	Clean  *Clean `json:"clean,omitempty"`
}

// Clean says where a clean Close left the stream.
type Clean struct {
	Last uint64 `json:"last"`
}

// Witness is the last known place, kept beside the store so that it outlives a cut of it.
type Witness struct {
	Epoch uint64 `json:"epoch"`
	Last  uint64 `json:"last"`
}

// Meta keeps the epoch table of an external store. Nodes that notice a cut at the same time
// race by revision: one opens the epoch, the others adopt it.
type Meta struct{ kv jetstream.KeyValue }

const metaKey = "epochs"

// OpenMeta makes the bucket if it is not there.
func OpenMeta(ctx context.Context, js jetstream.JetStream, bucket string, replicas int) (*Meta, error) {
	kv, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: bucket, Replicas: replicas, History: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", bucket, err)
	}
	return &Meta{kv}, nil
}

// Load gives the table and its revision; an empty one when there is none yet.
func (m *Meta) Load(ctx context.Context) (Table, uint64, error) {
	e, err := m.kv.Get(ctx, metaKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read epochs: %w", err)
	}
	var t Table
	if err := json.Unmarshal(e.Value(), &t); err != nil || len(t) == 0 {
		return nil, 0, fmt.Errorf("%w: epochs of the event log", ErrCorrupt)
	}
	return t, e.Revision(), nil
}

// Save replaces the table of that revision; it reports false on a conflict.
func (m *Meta) Save(ctx context.Context, t Table, revision uint64) (bool, error) {
	data, err := json.Marshal(t)
	if err != nil {
		return false, fmt.Errorf("write epochs: %w", err)
	}
	_, err = m.kv.Update(ctx, metaKey, data, revision)
	if errors.Is(err, jetstream.ErrKeyExists) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("write epochs: %w", err)
	}
	return true, nil
}
