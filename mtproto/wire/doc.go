// Package wire is the byte layout of MTProto 2.0: the encrypted packet, the container, and
// the service messages that an engine reads and writes.
//
// # Usage
//
// Build a packet with NewPacket, Add and Seal; take one apart with Open, and its container
// with ReadContainer. Reader and the Append functions are the few TL primitives that service
// messages need. Everything here is values and bytes: which message is due, and what to do
// about one, is decided in package mtproto.
//
// # Errors
//
// Open returns ErrForged for whatever cannot have come from the holder of the key, without
// saying which check failed; *PacketError for an authentic packet that breaks a rule.
package wire
