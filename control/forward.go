package control

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/fleet"
)

// links are the times of connections to other nodes. A node that dies without a word is noticed
// after ping + pong: calls that wait for it then fail.
type links struct {
	dial time.Duration // TCP and TLS together
	ping time.Duration // of silence, before a ping
	pong time.Duration // from the ping to giving the connection up
}

var defaultLinks = links{dial: 2 * time.Second, ping: 2 * time.Second, pong: 2 * time.Second}

// idlePeer is how long a connection to another node is kept without calls; shorter than that
// node's idleTimeout, so that no call meets a connection that is being closed.
const idlePeer = time.Minute

// forwarder sends calls to other nodes, as they are and without knowing their methods: one
// HTTP/2 connection a node, shared by all calls.
type forwarder struct {
	node      string
	client    *http.Client
	transport *http.Transport
}

// newForwarder makes a forwarder for the node of this name, which proves itself by config.
func newForwarder(node string, config *tls.Config, times links) *forwarder {
	config = config.Clone()
	config.NextProtos = []string{"h2"}
	var protocols http.Protocols
	protocols.SetHTTP2(true)
	t := &http.Transport{
		Protocols: &protocols, IdleConnTimeout: idlePeer, DisableCompression: true,
		HTTP2: &http.HTTP2Config{SendPingTimeout: times.ping, PingTimeout: times.pong, WriteByteTimeout: times.ping + times.pong},
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, times.dial)
			defer cancel()
			conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, network, address)
			if err != nil {
				return nil, &dialError{err}
			}
			return conn, nil
		},
	}
	return &forwarder{node: node, client: &http.Client{Transport: t}, transport: t}
}

func (f *forwarder) close() { f.transport.CloseIdleConnections() }

// dialError is a connection that did not come about: nothing was sent.
type dialError struct{ err error }

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// raw is a message as it travels.
type raw struct{ data []byte }

// rawCodec sends and takes messages as they are.
type rawCodec struct{}

// Name implements connect.Codec.
func (rawCodec) Name() string { return "proto" }

// Marshal implements connect.Codec.
func (rawCodec) Marshal(v any) ([]byte, error) {
	if m, ok := v.(*raw); ok {
		return m.data, nil
	}
	return nil, fmt.Errorf("encode request: unknown type %T", v)
}

// Unmarshal implements connect.Codec.
func (rawCodec) Unmarshal(data []byte, v any) error {
	m, ok := v.(*raw)
	if !ok {
		return fmt.Errorf("decode reply: unknown type %T", v)
	}
	m.data = bytes.Clone(data)
	return nil
}

func (f *forwarder) to(owner Owner, m methods.Method) *connect.Client[raw, raw] {
	return connect.NewClient[raw, raw](f.client, "https://"+owner.Address+m.Procedure(),
		connect.WithCodec(rawCodec{}), connect.WithAcceptCompression("gzip", nil, nil), connect.WithReadMaxBytes(maxReply))
}

func (f *forwarder) request(in []byte) *connect.Request[raw] {
	req := connect.NewRequest(&raw{in})
	req.Header().Set(forwardedHeader, f.node)
	return req
}

// unary has a call answered by another node.
func (f *forwarder) unary(ctx context.Context, owner Owner, m methods.Method, requestID string, in []byte) (outcome, error) {
	req := f.request(in)
	if requestID != "" {
		req.Header().Set(fleet.HeaderRequestID, requestID)
	}
	res, err := f.to(owner, m).CallUnary(ctx, req)
	if err != nil {
		return outcome{}, peerError(ctx, owner, err)
	}
	message, err := decodeReply(m, res.Msg.data)
	return outcome{message, res.Header().Get(fleet.HeaderRepeated) != ""}, err
}

// stream has a call answered by another node, item by item.
func (f *forwarder) stream(ctx context.Context, owner Owner, m methods.Method, in []byte, send func(proto.Message) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the call over there when the caller is gone
	stream, err := f.to(owner, m).CallServerStream(ctx, f.request(in))
	if err != nil {
		return peerError(ctx, owner, err)
	}
	for stream.Receive() {
		item, err := decodeReply(m, stream.Msg().data)
		if err == nil {
			err = send(item)
		}
		if err != nil {
			cancel()
			_ = stream.Close() // what matters is why it is closed
			return err
		}
	}
	err = stream.Err()
	_ = stream.Close() // it has ended
	if err != nil {
		return peerError(ctx, owner, err)
	}
	return nil
}

// feed has a stream of messages answered by another node: first, then what next gives until io.EOF.
func (f *forwarder) feed(ctx context.Context, owner Owner, m methods.Method, first []byte, next func() ([]byte, error)) (proto.Message, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the call over there when the caller is gone
	stream := f.to(owner, m).CallClientStream(ctx)
	stream.RequestHeader().Set(forwardedHeader, f.node)
	for data := first; ; {
		if err := stream.Send(&raw{data}); err != nil {
			break // the answer says why
		}
		var err error
		if data, err = next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
	}
	res, err := stream.CloseAndReceive()
	if err != nil {
		return nil, peerError(ctx, owner, err)
	}
	return decodeReply(m, res.Msg.data)
}

// decodeReply reads an answer. Fields that this version does not know are kept.
func decodeReply(m methods.Method, data []byte) (proto.Message, error) {
	message := methods.NewMessage(m.Descriptor.Output())
	if err := proto.Unmarshal(data, message); err != nil {
		return nil, fmt.Errorf("decode reply of %s: %w", m.Procedure(), err)
	}
	return message, nil
}

// peerError types what a call at another node ended with: its own error when it has answered,
// else whether the call can have arrived.
func peerError(ctx context.Context, owner Owner, err error) error {
	var answer *connect.Error
	if connect.IsWireError(err) && errors.As(err, &answer) {
		own := fromConnect(answer)
		if own.Reason == reasonNodeFenced { // the caller would take it for this node's own
			own.Reason, own.Message = reasonUnreachable, fmt.Sprintf("node %s, which owned the account, has lost its place in the cluster", owner.Node)
			own.Remedy = "repeat the call: nothing was carried out; the account gets another owner"
		}
		return own
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var dial *dialError
	if errors.As(err, &dial) {
		return fleet.Errorf(fleet.CodeUnavailable, reasonUnreachable, "node %s, which owns it, cannot be reached at %s: %v", owner.Node, owner.Address, dial.err).
			WithRetryAfter(ownerWait).WithRemedy("repeat the call: nothing was carried out; if it stays so, see cluster.advertise and the certificate of that node")
	}
	why := err.Error()
	if errors.As(err, &answer) { // not wrapped: it is no answer that could be handed on
		why = answer.Message()
	}
	return fleet.Errorf(fleet.CodeUnavailable, reasonLost, "the connection to node %s, which owns it, broke during the call: %s", owner.Node, why).
		WithRetryAfter(ownerWait).WithRemedy("a command may have been carried out: look before repeating it, or repeat it with the same request_id")
}

var fleetCodes = func() map[connect.Code]fleet.Code {
	codes := make(map[connect.Code]fleet.Code, len(connectCodes))
	for own, code := range connectCodes {
		codes[code] = own
	}
	return codes
}()

// fromConnect is the reverse of toConnect.
func fromConnect(answer *connect.Error) *fleet.Error {
	code, ok := fleetCodes[answer.Code()]
	if !ok {
		code = fleet.CodeUnknown
	}
	own := &fleet.Error{Code: code, Message: answer.Message()}
	for _, d := range answer.Details() {
		value, err := d.Value()
		if err != nil {
			continue
		}
		if detail, ok := value.(*v1.ErrorDetail); ok {
			own.Reason, own.Remedy, own.Method = detail.GetReason(), detail.GetRemedy(), detail.GetMethod()
			own.Argument, own.RetryAfter = int(detail.GetArgument()), detail.GetRetryAfter().AsDuration()
		}
	}
	return own
}
