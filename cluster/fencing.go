//go:build !unfenced

package cluster

// fencing makes a gate refuse once its deadline has passed. Only tests that show what it is for
// build without it.
const fencing = true
