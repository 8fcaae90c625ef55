//go:build unfenced

package cluster

// fencing is off in this build: a node goes on when its lease has ended. Such a binary costs accounts
// their logins; tests use it to show that they would notice.
const fencing = false
