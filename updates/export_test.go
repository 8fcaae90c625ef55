package updates

var phaseNames = [...]string{
	phaseNew: "new", phaseIdle: "idle", phaseWaiting: "waiting", phaseQueued: "queued", phaseAsking: "asking", phaseRetrying: "retrying",
}

// CommonPhase is where the filling of the common boxes stands.
func (m *Machine) CommonPhase() string { return phaseNames[m.common.phase] }

// ChannelPhase is where the filling of a channel stands: also rest, or unknown.
func (m *Machine) ChannelPhase(id int64) string {
	if f := m.fills[id]; f != nil {
		return phaseNames[f.phase]
	}
	if _, known := m.channels[id]; known {
		return "rest"
	}
	return "unknown"
}
