package client

import (
	"context"

	"connectrpc.com/connect"
)

// feed is a stream that is opened again, at another node where needed, when its connection
// breaks or its node stops.
type feed[T any] struct {
	client *Client
	// open opens a stream where the former one ended.
	open func(context.Context, *node) (*connect.ServerStreamForClient[T], error)
	// take handles an item; false ends the feed.
	take func(*T) bool
	// ends is true for streams that the node ends by itself when all was sent.
	ends bool
	// interrupted is told why a stream is opened again; may be nil.
	interrupted func(error)
}

// run reads until take refuses an item or the stream is over, which give nil, or until an error
// stands. ctx is bound.
func (f *feed[T]) run(ctx context.Context) error {
	t := &tries{client: f.client, limit: f.client.retry}
	for silent := 0; ; {
		s, err := f.connect(ctx, t)
		if err != nil || s == nil {
			return err
		}
		items, more, err := s.read(f.take)
		s.close()
		if !more {
			return nil
		}
		if err == nil && f.ends {
			return nil
		}
		if err == nil {
			err = connect.NewError(connect.CodeUnavailable, errEnded)
		}
		e, cause := judge(ctx, s.node.Address, err)
		if cause == final {
			return e
		}
		if f.interrupted != nil {
			f.interrupted(e)
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
	node   *node
	cancel context.CancelFunc
}

// connect opens a stream and waits for its first item, as a node refuses by the first answer. No
// stream and no error: it is over without an item.
func (f *feed[T]) connect(ctx context.Context, t *tries) (*opened[T], error) {
	var s *opened[T]
	err := f.client.try(ctx, t, repeatable, func(ctx context.Context, n *node) error {
		ctx, cancel := context.WithCancel(ctx)
		stream, err := f.open(ctx, n)
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
		if err == nil && !f.ends {
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
