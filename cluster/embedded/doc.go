// Package embedded runs an etcd server of one member inside this process, for a single
// node and for tests. Its client calls the server directly: by default it listens nowhere.
//
// # Usage
//
// Lock the data directory before anything in it is opened, start the server with that
// lock, and close it last:
//
//	lock, err := embedded.Lock(dir)
//	server, err := embedded.Start(ctx, embedded.Config{Dir: dir, Lock: lock, Log: log})
//	defer server.Close()
//	member, err := etcd.Join(ctx, server.Client(), ...)
//
// # Concurrency
//
// Client may be used by all goroutines until Close. Close once.
//
// # Errors
//
// Lock returns cluster.ErrLocked, naming the process that holds the directory. Start
// returns an error that names the directory when etcd cannot read what is in it.
package embedded
