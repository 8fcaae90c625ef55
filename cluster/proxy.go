package cluster

import (
	"bytes"
	"slices"
	"time"

	"github.com/telefleet/orchestrator/fleet"
)

// MaxProxyMembers bounds a pool.
const MaxProxyMembers = 1000

// SealedProxy is one proxy as it is stored: what may be shown, and the link with its secrets
// sealed.
type SealedProxy struct {
	// Shown is the link with a mark in place of its secrets.
	Shown string `json:"shown"`
	// Sealed is the whole link.
	Sealed []byte `json:"sealed"`
}

// Equal compares stored forms: the same link sealed twice differs.
func (p SealedProxy) Equal(q SealedProxy) bool {
	return p.Shown == q.Shown && bytes.Equal(p.Sealed, q.Sealed)
}

// ProxySpec is the proxy of one account: a named pool, or one of its own. The zero value is none.
type ProxySpec struct {
	Pool string       `json:"pool,omitempty"`
	Own  *SealedProxy `json:"own,omitempty"`
}

// IsZero reports whether the account connects directly.
func (p ProxySpec) IsZero() bool { return p.Pool == "" && p.Own == nil }

// Equal compares two.
func (p ProxySpec) Equal(q ProxySpec) bool {
	return p.Pool == q.Pool && (p.Own == nil) == (q.Own == nil) && (p.Own == nil || p.Own.Equal(*q.Own))
}

// ProxyPool is a named set of proxies that are as good as each other.
type ProxyPool struct {
	// Name has the alphabet of an account's.
	Name string `json:"name"`
	// Members, at least one.
	Members   []SealedProxy `json:"members"`
	CreatedAt time.Time     `json:"created_at"`
	// ResourceVersion is the store's revision of this value. Not stored in the value itself.
	ResourceVersion int64 `json:"-"`
}

// Validate reports the first problem of a pool as an *fleet.Error with CodeInvalidArgument.
func (p ProxyPool) Validate() error {
	if fleet.AccountID(p.Name).Validate() != nil {
		return fleet.Errorf(fleet.CodeInvalidArgument, "PROXY_INVALID", "name: must have 1 to 64 characters of a-z, 0-9 and - (got %q)", p.Name).
			WithRemedy("choose a name such as de-mobile")
	}
	if len(p.Members) == 0 || len(p.Members) > MaxProxyMembers {
		return fleet.Errorf(fleet.CodeInvalidArgument, "PROXY_INVALID", "members: must be 1 to %d (got %d)", MaxProxyMembers, len(p.Members)).
			WithRemedy("give at least one proxy; to end the use of a pool, take it out of its accounts and delete it")
	}
	return nil
}

// Clone returns a copy that shares no list.
func (p ProxyPool) Clone() ProxyPool {
	p.Members = slices.Clone(p.Members)
	return p
}
