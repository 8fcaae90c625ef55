package stream

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Model: each epoch is a list of writes; a cut keeps a prefix of what is there. A cursor may
// skip only what its holder saw.
func TestResolvedCursorNeverSkipsAnUnseenRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type written struct {
			seq uint64
			id  int
		}
		table := Table{{Epoch: 1, Start: 1}}
		var now []written
		id := 0
		type seenAt struct {
			epoch, at uint64
			seen      []written
		}
		var cursors []seenAt
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			switch rapid.IntRange(0, 2).Draw(t, "op") {
			case 0, 1:
				for range rapid.IntRange(1, 5).Draw(t, "writes") {
					id++
					now = append(now, written{uint64(len(now) + 1), id})
				}
				n := rapid.IntRange(0, len(now)).Draw(t, "read")
				cursors = append(cursors, seenAt{table.Current(), uint64(n), slices.Clone(now[:n])})
			case 2:
				now = now[:rapid.IntRange(0, len(now)).Draw(t, "cut")]
				table = table.With(table.Current()+1, uint64(len(now)))
			}
		}
		for _, c := range cursors {
			at := table.Resolve(c.epoch, c.at)
			if at > uint64(len(c.seen)) {
				t.Fatalf("%d-%d resolves to %d, beyond what was seen", c.epoch, c.at, at)
			}
			for i := range at {
				if int(i) >= len(now) || now[i] != c.seen[i] {
					t.Fatalf("%d-%d resolves to %d: record %d was not seen; table %v", c.epoch, c.at, at, i+1, table)
				}
			}
		}
		for i, w := range now {
			e := table.At(w.seq)
			if at := table.Resolve(e, w.seq); at != w.seq {
				t.Fatalf("record %d has epoch %d but resolves to %d in %v", i, e, at, table)
			}
		}
	})
}

func TestEpochTableIsBounded(t *testing.T) {
	table := Table{{Epoch: 1, Start: 1}}
	for i := range uint64(3 * MaxEpochs) {
		table = table.With(table.Current()+1, i)
	}
	if len(table) != MaxEpochs {
		t.Fatalf("%d epochs", len(table))
	}
	if got, limit := table.Resolve(1, 1<<40), table[0].Start-1; got != limit {
		t.Errorf("forgotten epoch resolves to %d, want %d", got, limit)
	}
}
