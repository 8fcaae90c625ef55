package eventlog

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// checkSpace runs before each append: statfs costs about a microsecond. An external store refuses by
// itself what it has no space for. A store that has failed is opened anew here.
func (l *Log) checkSpace(ctx context.Context) error {
	if l.server == nil {
		return nil
	}
	if l.cfg.MinFree < 0 {
		return l.mend(ctx)
	}
	free, err := l.cfg.FreeSpace(l.cfg.Dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLowSpace, err) // unknown counts as none
	}
	if free < uint64(l.cfg.MinFree) {
		return fmt.Errorf("%w: %d bytes free in %s, need %d; free some space", ErrLowSpace, free, l.cfg.Dir, l.cfg.MinFree)
	}
	return l.mend(ctx)
}

// Free is how many bytes the store can still take: of an embedded one, what is free on its disk; of an
// external one, what the limit of its JetStream account leaves, math.MaxUint64 when the log reaches its
// own limit first and then drops its oldest records. ErrUnlimited when NATS has set no limit: then it
// does not tell what is free on its disks. ErrLowSpace when an embedded store has failed, which is opened
// anew as soon as there is space.
func (l *Log) Free(ctx context.Context) (uint64, error) {
	done, err := l.enter()
	if err != nil {
		return 0, err
	}
	defer done()
	if l.server != nil {
		if l.failed() != nil {
			if err := l.checkSpace(ctx); err != nil {
				return 0, err
			}
		}
		return l.cfg.FreeSpace(l.cfg.Dir)
	}
	ctx, cancel := context.WithTimeout(ctx, l.cfg.AckTimeout)
	defer cancel()
	info, err := l.store.JS.AccountInfo(ctx)
	if err != nil {
		return 0, fmt.Errorf("space of the event log: %w", err)
	}
	left, limited := spaceLeft(info)
	if !limited {
		return math.MaxUint64, ErrUnlimited
	}
	st, err := l.store.State(ctx)
	if err != nil {
		return 0, err
	}
	if st.Bytes+left >= uint64(l.cfg.MaxBytes) {
		return math.MaxUint64, nil
	}
	return left, nil
}

// spaceLeft is what the account's limit leaves; where limits are by number of replicas, the scarcest.
func spaceLeft(info *jetstream.AccountInfo) (left uint64, limited bool) {
	tiers := []jetstream.Tier{info.Tier}
	if len(info.Tiers) > 0 {
		tiers = slices.Collect(maps.Values(info.Tiers))
	}
	left = math.MaxUint64
	for _, t := range tiers {
		if limit := t.Limits.MaxStore; limit >= 0 {
			left, limited = min(left, uint64(limit)-min(t.Store, uint64(limit))), true
		}
	}
	return left, limited
}
