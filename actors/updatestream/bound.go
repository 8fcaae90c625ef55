package updatestream

import (
	"context"
	"sync"
	"time"
)

const (
	// appendTimeout bounds an append, and boundFor more.
	appendTimeout = 30 * time.Second
	// boundFor is how long one context is given to all appends that begin: a timer for each would cost
	// more than much of what happens between.
	boundFor = time.Second
)

// bound gives contexts that end between appendTimeout and boundFor more from now.
type bound struct {
	mu     sync.Mutex
	ctx    context.Context
	cancel context.CancelFunc // not called: others may still use the context, whose timer ends it
	ends   time.Time
}

func (b *bound) context() context.Context {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Until(b.ends) <= appendTimeout {
		b.ctx, b.cancel = context.WithTimeout(context.Background(), appendTimeout+boundFor)
		b.ends = time.Now().Add(appendTimeout + boundFor)
	}
	return b.ctx
}
