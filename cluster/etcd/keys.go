package etcd

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
)

// keys names everything that ownership keeps in etcd, under an optional prefix.
type keys struct{ prefix string }

func (k keys) specs() string                    { return k.prefix + "accounts/" }
func (k keys) spec(id fleet.AccountID) string   { return k.specs() + string(id) }
func (k keys) assigns() string                  { return k.prefix + "assign/" }
func (k keys) assign(id fleet.AccountID) string { return k.assigns() + string(id) }
func (k keys) owns() string                     { return k.prefix + "own/" }
func (k keys) own(id fleet.AccountID) string    { return k.owns() + string(id) }
func (k keys) fence(id fleet.AccountID) string  { return k.prefix + "fence/" + string(id) }
func (k keys) statuses() string                 { return k.prefix + "status/" }
func (k keys) status(id fleet.AccountID) string { return k.statuses() + string(id) }
func (k keys) pins() string                     { return k.prefix + "moves/" }
func (k keys) pin(id fleet.AccountID) string    { return k.pins() + string(id) }
func (k keys) signals() string                  { return k.prefix + "signals/network/" }
func (k keys) nodes() string                    { return k.prefix + "nodes/" }
func (k keys) node(id fleet.NodeID) string      { return k.nodes() + string(id) }
func (k keys) leader() string                   { return k.prefix + "leader" }
func (k keys) proxies() string                  { return k.prefix + "proxies/" }
func (k keys) proxy(name string) string         { return k.proxies() + name }
func (k keys) cluster() string                  { return k.prefix + "cluster" }

// fenceValue is what fence/<id> holds.
type fenceValue struct {
	// Held: an owner may have a socket. Its token is the key's modification revision.
	Held bool         `json:"held"`
	Node fleet.NodeID `json:"node,omitempty"`
	// LingerMS is L: how long the next owner waits if this one vanishes.
	LingerMS int64 `json:"linger_ms,omitempty"`
	// WaitMS is how long this owner itself had to wait, counted from the deletion that it saw.
	WaitMS int64 `json:"wait_ms,omitempty"`
}

func (f fenceValue) wait() time.Duration { return time.Duration(f.WaitMS) * time.Millisecond }

// released is the value of a fence whose owner has closed its sockets.
const released = `{"held":false}`

// encode marshals our own values, which always can be.
func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err)) // a broken invariant: plain structs only
	}
	return string(b)
}

func decodeSpec(_ string, value []byte) (s cluster.Spec, err error) {
	if err = json.Unmarshal(value, &s); err != nil {
		return s, fmt.Errorf("decode spec: %w", err)
	}
	return s, nil
}

func decodeStatus(_ string, value []byte) (s cluster.Status, err error) {
	if err = json.Unmarshal(value, &s); err != nil {
		return s, fmt.Errorf("decode status: %w", err)
	}
	return s, nil
}

func decodeNode(key string, value []byte) (n cluster.Node, err error) {
	if err = json.Unmarshal(value, &n); err != nil {
		return n, fmt.Errorf("decode node: %w", err)
	}
	n.ID = fleet.NodeID(key)
	return n, nil
}

func decodeNodeID(_ string, value []byte) (fleet.NodeID, error) { return fleet.NodeID(value), nil }
