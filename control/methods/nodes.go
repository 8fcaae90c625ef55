package methods

import (
	"context"
	"errors"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/convert"
	"github.com/telefleet/orchestrator/fleet"
)

// nodes is the cluster, or why there is none.
func (h *Host) nodes() (Nodes, error) {
	if h.Nodes == nil {
		return nil, Unsupported("nodes")
	}
	return h.Nodes, nil
}

func isConflict(err error) bool { return errors.Is(err, &fleet.Error{Reason: "CONFLICT"}) }

func listNodes(ctx context.Context, host *Host, _ *v1.ListNodesRequest) (*v1.ListNodesReply, error) {
	nodes, err := host.nodes()
	if err != nil {
		return nil, err
	}
	list, err := nodes.List(ctx)
	if err != nil {
		return nil, err
	}
	return &v1.ListNodesReply{Nodes: list}, nil
}

func watchNodes(ctx context.Context, host *Host, _ *v1.WatchNodesRequest, send func(*v1.WatchNodesReply) error) error {
	nodes, err := host.nodes()
	if err != nil {
		return err
	}
	for item, err := range nodes.Watch(ctx) {
		if err != nil {
			return err
		}
		if err := send(item); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func cordonNode(ctx context.Context, host *Host, req *v1.CordonNodeRequest) (*v1.CordonNodeReply, error) {
	node, err := setNode(ctx, host, req.GetNode(), true, false)
	if err != nil {
		return nil, err
	}
	return &v1.CordonNodeReply{Node: node}, nil
}

func uncordonNode(ctx context.Context, host *Host, req *v1.UncordonNodeRequest) (*v1.UncordonNodeReply, error) {
	node, err := setNode(ctx, host, req.GetNode(), false, false)
	if err != nil {
		return nil, err
	}
	return &v1.UncordonNodeReply{Node: node}, nil
}

func drainNode(ctx context.Context, host *Host, req *v1.DrainNodeRequest) (*v1.DrainNodeReply, error) {
	node, err := setNode(ctx, host, req.GetNode(), true, true)
	if err != nil {
		return nil, err
	}
	return &v1.DrainNodeReply{Node: node}, nil
}

func setNode(ctx context.Context, host *Host, id string, cordoned, draining bool) (*v1.Node, error) {
	nodes, err := host.nodes()
	if err != nil {
		return nil, err
	}
	if id == "" {
		return nil, convert.Invalid("node", "list the nodes to see their ids", "is missing")
	}
	return nodes.Set(ctx, fleet.NodeID(id), cordoned, draining)
}

func networkRestored(ctx context.Context, host *Host, req *v1.NetworkRestoredRequest) (*v1.NetworkRestoredReply, error) {
	nodes, err := host.nodes()
	if err != nil {
		return nil, err
	}
	target, err := networkTarget(ctx, host, req)
	if err != nil {
		return nil, err
	}
	if target == nil { // a selector that matches nothing
		return &v1.NetworkRestoredReply{}, nil
	}
	n, err := nodes.NetworkRestored(ctx, *target)
	if err != nil {
		return nil, err
	}
	return &v1.NetworkRestoredReply{Accounts: int32(n)}, nil
}

func networkTarget(ctx context.Context, host *Host, req *v1.NetworkRestoredRequest) (*NetworkTarget, error) {
	switch t := req.GetTarget().(type) {
	case *v1.NetworkRestoredRequest_Id:
		id := fleet.AccountID(t.Id)
		if err := id.Validate(); err != nil {
			return nil, err
		}
		if _, err := host.Accounts.Get(ctx, id); err != nil {
			return nil, err
		}
		return &NetworkTarget{Accounts: []fleet.AccountID{id}}, nil
	case *v1.NetworkRestoredRequest_Selector:
		return selected(ctx, host, t.Selector)
	case *v1.NetworkRestoredRequest_Node:
		if t.Node == "" {
			return nil, convert.Invalid("node", "list the nodes to see their ids", "is empty")
		}
		return &NetworkTarget{Node: fleet.NodeID(t.Node)}, nil
	case *v1.NetworkRestoredRequest_All:
		if t.All {
			return &NetworkTarget{}, nil
		}
	}
	return nil, convert.Invalid("target", "set id, selector, node, or all to true", "is missing")
}

// selected are the accounts of a selector; nil for none.
func selected(ctx context.Context, host *Host, selector string) (*NetworkTarget, error) {
	match, err := parseSelector(selector)
	if err != nil {
		return nil, err
	}
	if match == nil {
		return nil, convert.Invalid("selector", "set all to true to address the whole cluster", "is empty")
	}
	accounts, err := Matching(ctx, host, match)
	if err != nil || len(accounts) == 0 {
		return nil, err
	}
	return &NetworkTarget{Accounts: accounts}, nil
}

// Matching lists the accounts whose labels match, in the order of their ids; nil matches all.
func Matching(ctx context.Context, host *Host, match func(map[string]string) bool) (ids []fleet.AccountID, err error) {
	for after, version := fleet.AccountID(""), ""; ; {
		list, at, err := host.Accounts.List(ctx, ListOptions{After: after, Limit: maxPageSize, Match: match, Version: version})
		if err != nil {
			return nil, err
		}
		for _, a := range list {
			ids = append(ids, fleet.AccountID(a.GetId()))
		}
		if len(list) < maxPageSize {
			return ids, nil
		}
		after, version = ids[len(ids)-1], at
	}
}
