// Package tlupdates translates between TL and package updates.
package tlupdates
