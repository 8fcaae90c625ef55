package retry

import (
	"context"
	"errors"

	"connectrpc.com/connect"

	"github.com/telefleet/orchestrator/client/internal/nodes"
)

// Feed is a stream that is opened again, at another node where needed, when its connection
// breaks or its node stops.
type Feed[T any] struct {
	Caller *Caller
	// Open opens a stream where the former one ended.
	Open func(context.Context, *nodes.Node) (*connect.ServerStreamForClient[T], error)
	// Take handles an item; false ends the feed.
	Take func(*T) bool
	// Ends is true for streams that the node ends by itself when all was sent.
	Ends bool
	// Interrupted is told why a stream is opened again; may be nil.
	Interrupted func(error)
}

// errEnded says that a stream ended which the node does not end.
var errEnded = errors.New("the node ended the stream")

// Run reads until Take refuses an item or the stream is over, which give nil, or until an error
// stands.
func (f *Feed[T]) Run(ctx context.Context) error {
	ctx, stop := f.Caller.bind(ctx)
	defer stop()
	t := &tries{caller: f.Caller, limit: f.Caller.Limit}
	for silent := 0; ; {
		s, err := f.connect(ctx, t)
		if err != nil || s == nil {
			return err
		}
		items, more, err := s.read(f.Take)
		s.close()
		if !more {
			return nil
		}
		if err == nil && f.Ends {
			return nil
		}
		if err == nil {
			err = connect.NewError(connect.CodeUnavailable, errEnded)
		}
		cause, err := f.Caller.Judge(ctx, nil, s.node.Address, err)
		if cause == Final {
			return err
		}
		if f.Interrupted != nil {
			f.Interrupted(err)
		}
		// What has begun goes on for ever. One break is answered at once; streams that break
		// again and again before they bring anything are not.
		if items > 1 {
			silent = 0
		}
		silent++
		if silent == 1 {
			t.rounds = 0
		}
		t.limit = forever
		clear(t.tried)
		t.note(s.node, cause)
		t.pause = t.pause || silent > 1
	}
}

// opened is one stream of a feed whose first item is there.
type opened[T any] struct {
	*connect.ServerStreamForClient[T]
	node   *nodes.Node
	cancel context.CancelFunc
}

// connect opens a stream and waits for its first item, as a node refuses by the first answer. No
// stream and no error: it is over without an item.
func (f *Feed[T]) connect(ctx context.Context, t *tries) (*opened[T], error) {
	var s *opened[T]
	err := f.Caller.try(ctx, t, Repeatable, func(ctx context.Context, n *nodes.Node) error {
		ctx, cancel := context.WithCancel(ctx)
		stream, err := f.Open(ctx, n)
		if err != nil {
			cancel()
			return err
		}
		s = &opened[T]{stream, n, cancel}
		if stream.Receive() {
			return nil
		}
		err = stream.Err()
		s.close()
		s = nil
		if err == nil && !f.Ends {
			err = connect.NewError(connect.CodeUnavailable, errEnded)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// read hands out the items of a stream, the first one included.
func (s *opened[T]) read(take func(*T) bool) (items int, more bool, err error) {
	for {
		items++
		if !take(s.Msg()) {
			return items, false, nil
		}
		if !s.Receive() {
			return items, true, s.Err()
		}
	}
}

// close ends the stream; cancelled first, so that nothing of it is waited for.
func (s *opened[T]) close() {
	s.cancel()
	_ = s.Close()
}
