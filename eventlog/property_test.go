package eventlog

import (
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
	"pgregory.net/rapid"

	"github.com/telefleet/orchestrator/fleet"
)

// Several owners with their tokens claim and append in any order, while acknowledgements and
// requests get lost, requests arrive late, and retention drops records. The log then holds
// never a record of a lower token after a higher one, each append that was confirmed exactly
// once and in order, and no refused one.
func TestNoRecordOfALowerTokenFollowsAHigherOne(t *testing.T) {
	l := openLog(t, testConfig(t))
	var draw func(n int) int // what becomes of the next request; nil: nothing happens to it
	var late []*nats.Msg
	interpose(l, func(m *nats.Msg, send func() (*nats.Msg, error)) (*nats.Msg, error) {
		if draw == nil {
			return send()
		}
		switch draw(6) {
		case 0: // the request is lost
			return nil, errLost
		case 1: // the acknowledgement is lost
			_, _ = send()
			return nil, errLost
		case 2: // the request arrives later
			late = append(late, m)
			return nil, errLost
		}
		return send()
	})
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		account := fleet.AccountID(fmt.Sprint("p", run))
		draw = func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "fate") }
		late = nil
		type owner struct {
			token fleet.FencingToken
			w     *Writer
			ended bool
		}
		var owners []*owner
		var confirmed []string
		unsure := map[string]bool{}
		deliver := func() {
			for _, m := range late {
				if _, err := l.nc.RequestMsg(m, l.cfg.AckTimeout); err != nil {
					rt.Fatal(err)
				}
			}
			late = nil
		}
		for i := range rapid.IntRange(1, 30).Draw(rt, "steps") {
			switch op := rapid.IntRange(0, 5).Draw(rt, "op"); {
			case op == 0 || len(owners) == 0: // a new owner, or a former one awake again
				o := &owner{token: fleet.FencingToken(len(owners) + 1)}
				if len(owners) > 0 && rapid.Bool().Draw(rt, "old token") {
					o.token = rapid.SampledFrom(owners).Draw(rt, "of").token
				}
				w, err := l.Claim(t.Context(), account, o.token)
				if err == nil {
					o.w = w
					owners = append(owners, o)
				} else if !errors.Is(err, ErrFenced) && !errors.Is(err, ErrUnknownOutcome) {
					rt.Fatal(err)
				}
			case op == 1:
				deliver()
			default:
				o := rapid.SampledFrom(owners).Draw(rt, "owner")
				id := fmt.Sprint(i)
				_, err := o.w.Append(t.Context(), event(id))
				switch {
				case err == nil && o.ended:
					rt.Fatalf("an ended writer appended %s", id)
				case err == nil:
					confirmed = append(confirmed, id)
				case errors.Is(err, ErrWriterEnded):
				case errors.Is(err, ErrFenced), errors.Is(err, ErrUnknownOutcome):
					// Fenced after a lost acknowledgement: the record may be in the log.
					o.ended, unsure[id] = true, true
				default:
					rt.Fatal(err)
				}
			}
		}
		deliver()
		draw = nil
		var highest fleet.FencingToken
		var prev uint64
		var stored []string
		for r, err := range l.Subscribe(testCtx(t), SubscribeOptions{Accounts: []fleet.AccountID{account}, Internal: true}) {
			if err != nil {
				rt.Fatal(err)
			}
			if r.Token < highest {
				rt.Fatalf("token %d after %d", r.Token, highest)
			}
			if r.Prev != prev {
				rt.Fatalf("record %d names %d as its previous, not %d", r.Seq, r.Prev, prev)
			}
			highest, prev = r.Token, r.Seq
			if r.Kind != KindOwnerChanged && !unsure[r.ID] {
				stored = append(stored, r.ID)
			}
		}
		if fmt.Sprint(stored) != fmt.Sprint(confirmed) {
			rt.Fatalf("stored %v, confirmed %v", stored, confirmed)
		}
	})
}
