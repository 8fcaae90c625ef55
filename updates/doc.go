// Package updates orders the updates of one account.
package updates
