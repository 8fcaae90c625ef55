package stream

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
)

// Files of the event log beside its store: Epochs and Witness.
const (
	EpochsFile  = "epochs.json"
	WitnessFile = "witness.json"
)

// envelope guards a state file against torn and flipped bytes.
type envelope struct {
	CRC  uint32          `json:"crc32c"`
	Body json.RawMessage `json:"body"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// WriteFile replaces a file atomically and durably.
func WriteFile(dir, name string, v any) error {
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

// ReadFile reports false when there is no such file.
func ReadFile(dir, name string, v any) (bool, error) {
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

// SyncBlocks syncs what an earlier process left in the page cache: JetStream syncs only blocks
// that it wrote itself.
func SyncBlocks(dir string) error {
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
