// Package transfer moves files between a caller and the nodes over streams that break and go on.
//
// # Usage
//
//	up := &transfer.Upload{Account: id, Source: r, Start: &v1.UploadStart{Name: "a.jpg"}}
//	file, err := up.Run(ctx, caller)
//
//	down := &transfer.Download{Caller: caller, Request: &v1.DownloadRequest{Account: id, File: ref}}
//	reader, err := down.Open(ctx)
//
// # Concurrency
//
// An Upload, a Download and its Reader are of one goroutine each.
//
// # Errors
//
// Those of the nodes are as the caller types them; those of the room are *fleet.Error, or what the source
// or the local file said.
package transfer
