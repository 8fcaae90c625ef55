package cluster

import "github.com/telefleet/orchestrator/fleet"

// The decisions a caller takes with errors.Is. Returned errors have the same reason and
// name the account.
var (
	// ErrExists: an account of that name exists already.
	ErrExists = &fleet.Error{Code: fleet.CodeAlreadyExists, Reason: "ACCOUNT_EXISTS", Message: "the account exists already"}
	// ErrNotFound: no such account, status or owner.
	ErrNotFound = &fleet.Error{Code: fleet.CodeNotFound, Reason: "ACCOUNT_NOT_FOUND", Message: "no such account"}
	// ErrNoOwner: no node owns the account at the moment.
	ErrNoOwner = &fleet.Error{Code: fleet.CodeUnavailable, Reason: "ACCOUNT_NOT_OWNED", Message: "no node owns the account"}
	// ErrNodeNotFound: no such node.
	ErrNodeNotFound = &fleet.Error{Code: fleet.CodeNotFound, Reason: "NODE_NOT_FOUND", Message: "no such node"}
	// ErrNodeCordoned: the node takes no accounts.
	ErrNodeCordoned = &fleet.Error{Code: fleet.CodeFailedPrecondition, Reason: "NODE_CORDONED", Message: "the node takes no accounts"}
	// ErrDeleting: the account is being deleted.
	ErrDeleting = &fleet.Error{Code: fleet.CodeFailedPrecondition, Reason: "ACCOUNT_DELETING", Message: "the account is being deleted"}
	// ErrTooOld: the history that was asked for is no longer kept.
	ErrTooOld = &fleet.Error{Code: fleet.CodeOutOfRange, Reason: "RESOURCE_VERSION_TOO_OLD", Message: "the resource version is no longer kept"}
	// ErrConflict: the value has changed since it was read.
	ErrConflict = &fleet.Error{Code: fleet.CodeAborted, Reason: "CONFLICT", Message: "the resource has changed since it was read"}
	// ErrProxyExists: a pool of proxies of that name exists already.
	ErrProxyExists = &fleet.Error{Code: fleet.CodeAlreadyExists, Reason: "PROXY_EXISTS", Message: "the pool exists already"}
	// ErrProxyNotFound: no such pool of proxies.
	ErrProxyNotFound = &fleet.Error{Code: fleet.CodeNotFound, Reason: "PROXY_NOT_FOUND", Message: "no such pool of proxies"}
	// ErrProxyInUse: accounts name the pool in their spec.
	ErrProxyInUse = &fleet.Error{Code: fleet.CodeFailedPrecondition, Reason: "PROXY_IN_USE", Message: "accounts use the pool"}
	// ErrFenced: the node no longer owns the account, or has lost its lease.
	ErrFenced = &fleet.Error{Code: fleet.CodeAborted, Reason: "FENCED", Message: "ownership was lost"}
	// ErrWrongCluster: the etcd behind the configured address is not the one known, or an
	// older copy of it.
	ErrWrongCluster = &fleet.Error{Code: fleet.CodeFailedPrecondition, Reason: "WRONG_CLUSTER", Message: "etcd is not the one this node knows"}
	// ErrLocked: another process uses the data directory.
	ErrLocked = &fleet.Error{Code: fleet.CodeFailedPrecondition, Reason: "DATA_DIR_LOCKED", Message: "the data directory is in use"}
)
