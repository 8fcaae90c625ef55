package fleet

// State is where an account stands; docs/states/account.md draws it.
type State string

// The states. In the last six an account holds no socket.
const (
	StateNew            State = "new"
	StateConnecting     State = "connecting"
	StateUnauthorized   State = "unauthorized"
	StateCodeSent       State = "code_sent"
	StatePasswordNeeded State = "password_needed"
	StateQRPending      State = "qr_pending"
	StateOnline         State = "online"
	StateBackoff        State = "backoff"
	StateRateLimited    State = "rate_limited"
	StateDraining       State = "draining"
	StatePaused         State = "paused"
	StateQuarantined    State = "quarantined"
	StateLoggedOut      State = "logged_out"
	StateBanned         State = "banned"
	StateConflict       State = "conflict"
	StateFenced         State = "fenced"
)

// States are all states, in the order of their declaration.
func States() []State {
	return []State{
		StateNew, StateConnecting, StateUnauthorized, StateCodeSent, StatePasswordNeeded, StateQRPending, StateOnline, StateBackoff,
		StateRateLimited, StateDraining, StatePaused, StateQuarantined, StateLoggedOut, StateBanned, StateConflict, StateFenced,
	}
}

// Terminal states last until somebody acts upon their remedy; they never lead to another login.
func (s State) Terminal() bool {
	switch s {
	case StatePaused, StateQuarantined, StateLoggedOut, StateBanned, StateConflict, StateFenced:
		return true
	}
	return false
}

// LoggingIn are the states in which a login may take its steps.
func (s State) LoggingIn() bool {
	switch s {
	case StateUnauthorized, StateCodeSent, StatePasswordNeeded, StateQRPending:
		return true
	}
	return false
}
