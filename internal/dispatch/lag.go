package dispatch

import (
	"context"
	"maps"
	"slices"

	"github.com/telefleet/orchestrator/internal/metrics"
)

// Lags are how far the consumers and webhooks that this node works on are behind the log.
func (d *Dispatch) Lags(ctx context.Context) ([]metrics.Lag, error) {
	last, err := d.Log.Last(ctx)
	if err != nil {
		return nil, err
	}
	var out []metrics.Lag
	for _, k := range []*kind{&d.consumers, &d.webhooks} {
		for _, o := range k.working() {
			at, err := d.Log.ConsumerStatus(ctx, o.id)
			if isUnknown(err) { // it is being deleted
				continue
			}
			if err != nil {
				return out, err
			}
			out = append(out, metrics.Lag{
				Kind: k.name, Name: o.name, Events: last.Seq - min(at.Cursor.Seq, last.Seq), Behind: uint64(at.Behind),
			})
		}
	}
	return out, nil
}

// working are those that this node works on.
func (k *kind) working() []*open {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Collect(maps.Values(k.open))
}
