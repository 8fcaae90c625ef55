package eventlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"github.com/nats-io/nats.go/jetstream"
)

// maxEpochs bounds the table; the oldest epochs are forgotten, see epochTable.resolve.
const maxEpochs = 1024

// epochStart: sequences from Start on belong to Epoch, until the next one starts. The epoch
// before ended at Start-1; what it once had beyond that was cut off.
type epochStart struct {
	Epoch uint64 `json:"epoch"`
	Start uint64 `json:"start"`
}

// epochTable is ascending in Epoch and never empty once loaded. Start may fall: a cut can reach
// back over several epochs.
type epochTable []epochStart

func (t epochTable) current() uint64 { return t[len(t)-1].Epoch }

// at is the epoch that seq was written in.
func (t epochTable) at(seq uint64) uint64 {
	for i := len(t) - 1; i > 0; i-- {
		if t[i].Start <= seq {
			return t[i].Epoch
		}
	}
	return t[0].Epoch
}

// resolve gives the sequence after which a reader at c goes on: c's own, but not beyond the end
// of its epoch, nor of any later one. An epoch that was forgotten ended where the oldest known
// one starts at the latest.
func (t epochTable) resolve(c Cursor) uint64 {
	seq := c.Seq
	for _, e := range t {
		if e.Epoch > c.Epoch {
			seq = min(seq, e.Start-1)
		}
	}
	return seq
}

// with opens a new epoch after last.
func (t epochTable) with(epoch, last uint64) epochTable {
	out := append(append(epochTable(nil), t...), epochStart{Epoch: epoch, Start: last + 1})
	return out[max(0, len(out)-maxEpochs):]
}

// epochState is what is stored. Clean is present only between a clean Close and the next Open.
type epochState struct {
	Epochs epochTable  `json:"epochs"`
	Clean  *cleanClose `json:"clean,omitempty"`
}

type cleanClose struct {
	Last uint64 `json:"last"`
}

// witness is the last known place, kept beside the store so that it outlives a cut of it.
type witness struct {
	Epoch uint64 `json:"epoch"`
	Last  uint64 `json:"last"`
}

const (
	epochsFile  = "epochs.json"
	witnessFile = "witness.json"
)

// envelope guards a state file against torn and flipped bytes.
type envelope struct {
	CRC  uint32          `json:"crc32c"`
	Body json.RawMessage `json:"body"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// writeState replaces a file atomically and durably.
func writeState(dir, name string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	data, err := json.Marshal(envelope{CRC: crc32.Checksum(body, castagnoli), Body: body})
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	path := filepath.Join(dir, name)
	f, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(path+".tmp", path)
	}
	if err == nil {
		err = syncFile(dir)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// readState reports false when there is no such file.
func readState(dir, name string, v any) (bool, error) {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read %s: %w", name, err)
	}
	var e envelope
	if json.Unmarshal(data, &e) != nil || crc32.Checksum(e.Body, castagnoli) != e.CRC || json.Unmarshal(e.Body, v) != nil {
		return false, fmt.Errorf("%w: %s; remove the file to go on in a new epoch", ErrCorrupt, filepath.Join(dir, name))
	}
	return true, nil
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// syncBlocks syncs what an earlier process left in the page cache: JetStream syncs only blocks
// that it wrote itself.
func syncBlocks(dir string) error {
	blocks, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "*", "msgs", "*.blk"))
	if err != nil {
		return fmt.Errorf("sync store: %w", err)
	}
	for _, b := range blocks {
		if err := syncFile(b); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("sync store: %w", err)
		}
	}
	return nil
}

// metaKV keeps the epoch table of an external store. Nodes that notice a cut at the same time
// race by revision: one opens the epoch, the others adopt it.
type metaKV struct{ kv jetstream.KeyValue }

const metaKey = "epochs"

func openMeta(ctx context.Context, js jetstream.JetStream, cfg Config) (*metaKV, error) {
	kv, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: cfg.Name + "_META", Replicas: cfg.Replicas, History: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("open event log: meta: %w", err)
	}
	return &metaKV{kv}, nil
}

func (m *metaKV) load(ctx context.Context) (epochTable, uint64, error) {
	e, err := m.kv.Get(ctx, metaKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read epochs: %w", err)
	}
	var t epochTable
	if err := json.Unmarshal(e.Value(), &t); err != nil || len(t) == 0 {
		return nil, 0, fmt.Errorf("%w: epochs of the event log", ErrCorrupt)
	}
	return t, e.Revision(), nil
}

// save reports false on a conflict.
func (m *metaKV) save(ctx context.Context, t epochTable, revision uint64) (bool, error) {
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
