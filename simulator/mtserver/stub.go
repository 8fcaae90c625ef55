package mtserver

import (
	"context"
	"time"
)

type conn struct {
	id     uint64
	dc     *dc
	remote string
	opened time.Time
}

func (c *conn) arrived() int64 { return 0 }

type dc struct{ id int }
type session struct{ key *authKey }
type authKey struct{}

func (k *authKey) answer(*Call, []byte)              {}
func constructorOf(b []byte) uint32                  { return 0 }
func encodeRPCError(code int, message string) []byte { return nil }

// Stats are counts since the start.
type Stats struct {
	Connections, Keys, Sessions                                                                       int // at this moment
	Accepted, KeyExchanges, FramesIn, FramesOut, Calls, Duplicates, Pushes, Acked, Resent, Overflowed int64
	BadMsg                                                                                            map[int]int64 // bad_msg_notification and bad_server_salt sent, by code
	TransportErrors                                                                                   map[int]int64 // by code
}

// Server is a running simulator of all DCs.
type Server struct{}

// Start listens and serves until Close is called or ctx ends.
func Start(ctx context.Context, cfg Config, handler Handler) (*Server, error) { return nil, nil }

// Close cuts all connections and waits until every goroutine of the server has ended.
func (s *Server) Close() error { return nil }

// DCs returns the DCs in the order of Config.DCs.
func (s *Server) DCs() []DCInfo { return nil }

// Push sends an updates object to the main session of a key.
func (s *Server) Push(keyID int64, body []byte) {}

// MarkHome says that the key is logged in and this DC is its home: from now on the referee judges it.
func (s *Server) MarkHome(keyID int64) {}

// ClearHome takes MarkHome back, at a logout or a migration.
func (s *Server) ClearHome(keyID int64) {}

// DestroyKey forgets the key: its next frame is answered with -404.
func (s *Server) DestroyKey(keyID int64) {}

// DropSessions forgets all sessions of a key and what waits in them.
func (s *Server) DropSessions(keyID int64) {}

// KillConnections resets the connections for which the filter is true (nil: all) and returns their number.
func (s *Server) KillConnections(filter func(ConnInfo) bool) int { return 0 }

// Referee returns the judge of logged-in keys.
func (s *Server) Referee() *Referee { return nil }

// Faults returns the switches.
func (s *Server) Faults() *Faults { return nil }

// Stats returns the counts.
func (s *Server) Stats() Stats { return Stats{} }

// Unacked returns how many messages wait for an acknowledgement from this key.
func (s *Server) Unacked(keyID int64) int { return 0 }
