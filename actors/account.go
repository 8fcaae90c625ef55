package actors

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/telefleet/orchestrator/actors/connection"
	"github.com/telefleet/orchestrator/actors/sides"
	"github.com/telefleet/orchestrator/actors/system"
	"github.com/telefleet/orchestrator/actors/updatestream"
	"github.com/telefleet/orchestrator/actors/waiting"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/standing"
	"github.com/telefleet/orchestrator/sessionstore"
	"github.com/telefleet/orchestrator/telegram"
)

// account is the life cycle of one owned account.
//
//	new ─session loaded─> connecting ─init─> unauthorized ─signed in─> online
//	                          ^   └──────────authorized session──────────^ │
//	                          └────────── backoff <──connection ended──────┘
//	any ─drain─> draining ─> ended
//	any ─pause─> paused (no socket) ─resume─> connecting, from the stored session
//	any ─401, 406, ban, too many panics─> logged_out, conflict, banned, quarantined (no socket)
type account struct {
	*shared
	inc uint64 // incarnation, for messages of goroutines

	state  fleet.State
	status standing.Status
	record *sessionstore.Record // without its keys
	keys   connection.Keyring
	loaded *loaded

	home          *home
	made          *Desired        // what the connections were made for
	proxy         fleet.Condition // how its proxy does
	stream        *actor.PID
	streamClosing bool                               // it has reported its last checkpoint
	early         []*connection.UpdatesArrived       // before the stream; the connection's credit bounds them
	observing     map[*connection.Call][]byte        // answers that pass the stream before their callers get them
	syncs         map[*updatestream.Sync]func(error) // under way in the stream
	queue         []*connection.Call                 // until the home connection is ready
	delayed       []delayed                          // to be repeated after server trouble
	waits         waiting.Queues
	order         uint64 // of the last call that came
	sides         sides.Set
	alarm         system.Alarm // of tick
	saving        bool
	dirty         bool
	saved         []func(error) // called when what is dirty now has been stored
	inSave        []func(error)
	reported      time.Time
	report        bool // a status waits to be reported
	judge         standing.Judge
	winding       *winding // nil while nothing is being closed on purpose
	draining      bool     // it ends with that
	ended         bool

	scanners                  []chan struct{} // of QR logins
	self                      *actor.PID
	failure                   *failure // entered once the child that caused it has ended
	streamErr                 error    // why the stream ended, while it stops
	saveAgain                 time.Time
	reviving                  bool // a login waits until the former session is closed and stored
	reporting                 bool
	replaceKey, savingReplace bool                 // the next save may change the key of an authorised record
	peersDue                  bool                 // the timer covers the next flush of the peers
	flushing                  bool                 // of the peers
	saveAfter                 []func(error)        // saves that wait until the peers are stored
	peersAgain                time.Time            // when peers that could not be stored are tried again
	importing                 *importSession       // takes the place of the record
	erasing                   *erasing             // the session is being deleted
	erasure                   *telegram.Erasure    // what came of that, for who asks for it after its end
	appending                 bool                 // of state events, by the account itself
	late                      []*updatestream.Sync // wait for the stream, which waits for that
}

// home is the one home-DC connection.
type home struct {
	pid      *actor.PID
	link     *connection.Link
	ready    bool
	attempts int
	unknown  int // how often in succession the server did not know the key
	refused  int // and how often it would not bind a temporary key to it
	upSince  time.Time
	retry    time.Time // when the backoff ends; zero while none runs
	closing  bool
	next     func(actor.Context) // what to do once it is closed
}

type delayed struct {
	at   time.Time
	call *connection.Call
}

func newAccount(s *shared) actor.Actor {
	return &account{shared: s, state: fleet.StateNew, waits: waiting.Queues{Longest: s.deps.FloodWait}}
}

// Receive implements actor.Actor.
func (a *account) Receive(ctx actor.Context) {
	defer a.logPanic()
	switch m := ctx.Message().(type) {
	case *actor.Started:
		a.started(ctx)
	case *actor.Restarting, *actor.Stopping:
		a.abandon()
	case *actor.Terminated:
		a.childEnded(ctx, m.Who)
	case *sessionLoaded:
		a.sessionLoaded(ctx, m)
	case *sessionSaved:
		a.sessionSaved(ctx, m)
	case *tick:
		a.tick(ctx)
	case *connection.Call:
		a.admit(ctx, m)
	case *connection.Cancel:
		a.cancelCall(ctx, m.Call)
	case *networkRestored:
		a.networkRestored(ctx)
	case *desiredChanged:
		a.desiredChanged(ctx)
	case *rerouted:
		a.reconnect(ctx, &connection.Redial{})
	case *drain:
		a.drain(ctx, m.deadline)
	default:
		if !a.moveSession(ctx) {
			a.receiveFromChildren(ctx)
		}
	}
}

// logPanic writes the stack of a panic before supervision hears of it.
func (a *account) logPanic() {
	if r := recover(); r != nil {
		a.log().Error("panic in account", "error", panicError(r).Error(), "stack", string(debug.Stack()))
		panic(r)
	}
}

func (a *account) receiveFromChildren(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *connection.KeyMade:
		a.keyMade(ctx, m.Key)
	case *connection.SaltsChanged:
		a.saltsChanged(ctx, m)
	case *connection.Ready:
		a.connectionReady(ctx, m.DC)
	case *connection.Closed:
		a.connectionClosed(ctx, m.DC)
	case *connection.CallRefused:
		a.callRefused(ctx, m)
	case *connection.SessionCreated:
		a.toStream(ctx, m)
	case *connection.ResultReceived:
		a.resultReceived(ctx, m)
	case *updatestream.ResultObserved:
		if result, ok := a.observing[m.Call]; ok {
			delete(a.observing, m.Call)
			m.Call.Done(result, nil)
		}
	case *connection.UpdatesArrived:
		a.updatesArrived(ctx, m)
	case *connection.UpdatesDropped:
		a.toStream(ctx, m)
	case *updatestream.Sync:
		switch {
		case a.state.Terminal() || a.winding != nil:
			m.Done(a.refusal())
			return
		case a.stream == nil && a.appending && a.state == fleet.StateOnline: // it starts in a moment
			a.late = append(a.late, m)
			return
		case a.state == fleet.StateNew:
			m.Done(standing.Unavailable(a.state, "it is being started", "repeat the call in a moment"))
			return
		case a.stream == nil || a.streamClosing:
			m.Done(standing.Unavailable(a.state, "it receives no updates", "sign in first"))
			return
		}
		a.sync(ctx, m)
	case *synced:
		if done, ok := a.syncs[m.sync]; ok {
			delete(a.syncs, m.sync)
			done(m.err)
		}
	case *updatestream.Unwell:
		a.unwell(ctx, m)
	case *updatestream.CheckpointDue:
		a.checkpoint(ctx, m)
	case *updatestream.Ended:
		a.streamEnded(ctx, m)
	case *homeBackoff:
		a.backoff(ctx, m)
	case *authorizationExported:
		a.authorizationExported(ctx, m)
	case *authorizationImported:
		a.authorizationImported(ctx, m)
	case *scouted:
		a.scouted(ctx, m.call)
	case *updatestream.Level:
		a.streamLevel(ctx, m)
	case *stateTold:
		a.stateTold(ctx, m)
	case *statusReported:
		a.statusReported(ctx, m)
	case *reportDue:
		a.reportNow(ctx)
	case *peersLearnt:
		if !a.peersDue {
			a.plan(ctx)
		}
	default:
		a.receiveLogin(ctx)
	}
}

// put sets a value in a map that is made when it is needed: idle accounts have none.
func put[K comparable, V any](m *map[K]V, k K, v V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[k] = v
}

func (a *account) toStream(ctx actor.Context, m any) {
	if a.stream != nil && !a.streamClosing {
		ctx.Send(a.stream, m)
	}
}

func (a *account) toHome(ctx actor.Context, m any) {
	if a.home != nil && a.home.pid != nil {
		ctx.Send(a.home.pid, m)
	}
}

var incarnations = rand.Uint64 // distinguishes incarnations across restarts

func (a *account) started(ctx actor.Context) {
	a.inc, a.self = incarnations(), ctx.Self()
	a.conn.SetStream(nil) // that of an incarnation that has ended
	a.status.Generation = a.desired.Load().Generation
	if last := a.telling.Last; last.To == fleet.StateNew && last.Reason != "" { // why it starts again still holds
		a.setState(ctx, fleet.StateNew, last.Reason, last.Message, remedyStore)
	} else {
		a.setState(ctx, fleet.StateNew, "", "", "")
	}
	a.load(ctx)
}

// load reads the session and claims the event log, in the background.
func (a *account) load(ctx actor.Context) {
	self, root, inc, s := ctx.Self(), ctx.ActorSystem().Root, a.inc, a.shared
	s.deps.lanes.loads.Go(func() {
		l, err := load(s)
		root.Send(self, &sessionLoaded{inc: inc, loaded: l, err: err})
	})
}

func (a *account) sessionLoaded(ctx actor.Context, m *sessionLoaded) {
	if m.inc != a.inc || a.ended {
		return
	}
	switch {
	case errors.Is(m.err, sessionstore.ErrCorrupt):
		meaning, _ := fleet.MeaningOf(fleet.ConditionConnected, fleet.ReasonSessionCorrupt)
		a.stop(ctx, fleet.StateQuarantined, string(fleet.ReasonSessionCorrupt), m.err.Error(), meaning.Remedy)
		a.endImport(a.refusal())
		return
	case fenced(m.err):
		a.stop(ctx, fleet.StateFenced, "FENCED", "another node owns the account", "")
		return
	case m.err != nil: // the stores are away: try again
		a.setState(ctx, fleet.StateNew, "STORE_UNAVAILABLE", m.err.Error(), remedyStore)
		ctx.(actor.Supervisor).EscalateFailure(&storeError{m.err}, nil)
		return
	}
	a.loaded = m.loaded
	a.hold(m.loaded.record)
	a.tellNow(ctx)
	a.peers.SetCache(m.loaded.peers)
	a.peers.SetSelf(a.record.UserID)
	self, root := ctx.Self(), ctx.ActorSystem().Root
	a.peers.OnSelf(func(restricted bool, reason string) { root.Send(self, &selfSeen{restricted, reason}) })
	if a.record.HomeDC == 0 {
		a.record.HomeDC = cmp.Or(a.desired.Load().DC, a.deps.DefaultDC)
	}
	a.status.UserID, a.status.Bot, a.status.HomeDC = a.record.UserID, a.record.Bot, a.record.HomeDC
	a.waits.Load(a.record.Waits)
	a.judge.Restore(a.record.Restriction)
	a.showLimit(ctx)
	if a.draining {
		a.endImport(a.refusal())
		a.windStep(ctx)
		return
	}
	if a.record.Leaving { // it was being signed out
		a.endImport(errNotYet)
		a.erasing = &erasing{confirmed: true}
		a.closeToErase(ctx)
		return
	}
	if a.importing != nil && a.winding == nil { // it was given while the record was being read
		a.beginImport(ctx)
		if a.importing != nil {
			return
		}
	}
	if a.desired.Load().held() {
		a.pause(ctx)
		return
	}
	a.setState(ctx, fleet.StateConnecting, "", "", "")
	a.startHome(ctx)
}

const remedyStore = "it is tried again by itself; see the log of the node"

// storeError is a failure of a store: it never counts against the restart budget.
type storeError struct{ err error }

func (e *storeError) Error() string { return e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }

// setState changes the state and reports it.
func (a *account) setState(ctx actor.Context, s fleet.State, reason, message, remedy string) {
	if s == a.state && reason == a.status.Reason && a.status.State == s {
		return
	}
	m := standing.Change{From: a.status.State, To: s, Reason: reason, Message: message}
	a.state = s
	defer a.tell(ctx, m)
	a.status.Account, a.status.State, a.status.Since = a.id, s, a.deps.Now()
	a.status.Reason, a.status.Message, a.status.Remedy = reason, message, remedy
	a.log().Info("account state", "state", string(s), "reason", reason)
	a.reportSoon(ctx)
}

// stop ends the account's work in a named state: no socket, no login loop.
func (a *account) stop(ctx actor.Context, s fleet.State, reason, message, remedy string) {
	a.setState(ctx, s, reason, message, remedy)
	a.answerAll(a.refusal())
	a.stopStream(ctx)
	for _, side := range a.sides {
		a.stopSide(ctx, side)
	}
	if a.home != nil {
		a.stopHome(ctx, func(ctx actor.Context) { a.answerAll(a.refusal()) })
	}
}

// refusal is the answer to calls in a state that takes none.
func (a *account) refusal() error {
	if a.draining {
		return standing.Unavailable(fleet.StateDraining, "it is being handed over or shut down", "repeat the call in a moment")
	}
	if d := a.desired.Load(); d.held() {
		return standing.Unavailable(fleet.StatePaused, d.why().Message, d.why().Remedy)
	}
	return standing.Unavailable(a.state, a.status.Message, a.status.Remedy)
}

// abandon is the last resort of an incarnation that ends by a panic.
func (a *account) abandon() {
	defer func() { _ = recover() }() // a panic here would bring the actor back to life
	a.conn.Clock.Stop(&a.alarm)
	a.answerAll(standing.Unavailable(a.state, "it is being restarted", "repeat the call in a moment"))
	for c, result := range a.observing {
		c.Done(result, nil)
	}
	for _, done := range a.syncs {
		done(updatestream.ErrStopped)
	}
	for _, m := range a.late {
		m.Done(updatestream.ErrStopped)
	}
	a.endImport(standing.Unavailable(a.state, "it is being restarted", "repeat the call in a moment"))
	a.endErasing(telegram.Erasure{}, standing.Unavailable(a.state, "it is being restarted", "repeat the call in a moment"))
	for _, then := range slices.Concat(a.saveAfter, a.inSave, a.saved) {
		then(standing.Unavailable(a.state, "it is being restarted", "repeat the call in a moment"))
	}
}
