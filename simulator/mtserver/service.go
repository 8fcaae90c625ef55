package mtserver

import (
	"encoding/binary"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"
)

// service is a message of core.telegram.org/mtproto/service_messages that is no RPC query.
type service struct {
	even   bool // its seqno must be even
	handle func(*inbound, message) error
}

var services map[uint32]service

func init() { //nolint:gochecknoinits // the handlers and the table refer to each other
	services = map[uint32]service{
		idMsgsAck:                           {even: true, handle: (*inbound).msgsAck},
		idMsgCopy:                           {even: true, handle: (*inbound).msgCopy},
		mt.MsgsStateInfoTypeID:              {even: true, handle: (*inbound).ignored},
		mt.MsgsAllInfoTypeID:                {even: true, handle: (*inbound).ignored},
		mt.HTTPWaitRequestTypeID:            {handle: (*inbound).ignored},
		mt.PingRequestTypeID:                {handle: (*inbound).ping},
		mt.PingDelayDisconnectRequestTypeID: {handle: (*inbound).pingDelayDisconnect},
		mt.GetFutureSaltsRequestTypeID:      {handle: (*inbound).futureSalts},
		mt.MsgsStateReqTypeID:               {handle: (*inbound).stateReq},
		mt.MsgResendReqTypeID:               {handle: (*inbound).resendReq},
		idResendAnswers:                     {handle: (*inbound).resendAnswers},
		mt.DestroySessionRequestTypeID:      {handle: (*inbound).destroySession},
		mt.RPCDropAnswerRequestTypeID:       {handle: (*inbound).dropAnswer},
		idDestroyKey:                        {handle: (*inbound).destroyKey},
	}
}

func (in *inbound) msgsAck(m message) error {
	ids, err := decodeIDs(m.body)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if out := in.session.unacked[id]; out != nil {
			in.session.settle(out)
			in.key.srv.stats.acked.Add(1)
		}
	}
	return nil
}

func (in *inbound) msgCopy(m message) error {
	in.refuse(m, 64)
	return nil
}

// ignored messages are acknowledged if their seqno asks for it.
func (in *inbound) ignored(m message) error {
	if m.seq&1 == 1 {
		in.session.service(encodeIDs(idMsgsAck, m.id), false)
	}
	return nil
}

func (in *inbound) ping(m message) error {
	id, err := decodeLong(m.body)
	if err != nil {
		return err
	}
	in.session.service(encodePong(m.id, id), true)
	return nil
}

func (in *inbound) pingDelayDisconnect(m message) error {
	if err := in.ping(m); err != nil {
		return err
	}
	if len(m.body) < 16 {
		return errPacket
	}
	delay := int32(binary.LittleEndian.Uint32(m.body[12:]))
	if delay < 0 {
		return errPacket
	}
	in.conn.disconnectAfter(time.Duration(delay) * time.Second)
	return nil
}

func (in *inbound) futureSalts(m message) error {
	var req mt.GetFutureSaltsRequest
	if err := req.Decode(&bin.Buffer{Buf: m.body}); err != nil {
		return errPacket
	}
	n := min(max(req.Num, 1), maxFutureSalts)
	in.key.extendSalts(in.now, n)
	answer := mt.FutureSalts{ReqMsgID: m.id, Now: int(in.now.Unix())}
	for _, s := range in.key.salts {
		if len(answer.Salts) < n && in.now.Before(s.until) {
			answer.Salts = append(answer.Salts, mt.FutureSalt{
				ValidSince: int(s.since.Unix()), ValidUntil: int(s.until.Unix()), Salt: s.value,
			})
		}
	}
	b := &bin.Buffer{}
	if err := answer.Encode(b); err != nil {
		return err
	}
	in.session.service(b.Buf, true)
	return nil
}

// stateReq answers with what is known of the client's messages.
func (in *inbound) stateReq(m message) error {
	ids, err := decodeIDs(m.body)
	if err != nil {
		return err
	}
	in.key.srv.stats.stateAsked.Add(int64(len(ids)))
	in.stateInfo(m.id, ids)
	return nil
}

func (in *inbound) stateInfo(reqID int64, ids []int64) {
	info := make([]byte, len(ids))
	for i, id := range ids {
		info[i] = in.session.state(id)
	}
	b := &bin.Buffer{}
	b.PutID(idStateInfo)
	b.PutLong(reqID)
	b.PutBytes(info)
	in.session.service(b.Buf, true)
}

// state is the byte of msgs_state_info for one message of the client.
func (s *session) state(id int64) byte {
	r := s.find(id)
	switch {
	case r == nil && (id <= s.floor || id < s.first), id&3 != 0:
		return 1
	case r == nil && (len(s.received) == 0 || id > s.received[len(s.received)-1].id):
		return 3
	case r == nil:
		return 2
	}
	state := byte(4)
	if r.seq&1 == 0 {
		state |= 16
	}
	if q := r.query; q != nil {
		state |= 32
		if q.acked {
			state |= 8
		}
		if q.answered {
			state |= 64
			if q.answer == nil {
				state |= 128
			}
		}
	}
	return state
}

// resendReq sends messages of ours again, by their own ids.
func (in *inbound) resendReq(m message) error {
	ids, err := decodeIDs(m.body)
	if err != nil {
		return err
	}
	missing := false
	for _, id := range ids {
		if out := in.session.unacked[id]; out != nil && out.due.IsZero() {
			in.session.deliver(out)
		} else {
			missing = true
		}
	}
	if missing {
		in.stateInfo(m.id, ids)
	}
	return nil
}

// resendAnswers sends answers again, by the ids of their queries.
func (in *inbound) resendAnswers(m message) error {
	ids, err := decodeIDs(m.body)
	if err != nil {
		return err
	}
	missing := false
	for _, id := range ids {
		if r := in.session.find(id); r != nil && r.query != nil && r.query.answer != nil {
			in.session.deliver(r.query.answer)
		} else {
			missing = true
		}
	}
	if missing {
		in.stateInfo(m.id, ids)
	}
	return nil
}

func (in *inbound) destroySession(m message) error {
	id, err := decodeLong(m.body)
	if err != nil {
		return err
	}
	constructor := uint32(mt.DestroySessionNoneTypeID)
	if s := in.key.sessions[id]; s != nil && s != in.session {
		in.key.forget(s)
		constructor = mt.DestroySessionOkTypeID
	}
	b := binary.LittleEndian.AppendUint32(nil, constructor)
	in.session.service(binary.LittleEndian.AppendUint64(b, uint64(id)), true)
	return nil
}

// dropAnswer gives an answer up. It and a running query itself are answered alike.
func (in *inbound) dropAnswer(m message) error {
	id, err := decodeLong(m.body)
	if err != nil {
		return err
	}
	b := &bin.Buffer{}
	r := in.session.find(id)
	switch {
	case r != nil && r.query != nil && !r.query.answered && !r.query.dropped:
		r.query.dropped = true
		in.key.srv.stats.dropped.Add(1)
		b.PutID(mt.RPCAnswerDroppedRunningTypeID)
		in.session.post(encodeRPCResult(id, b.Buf), postContent|postResponse)
	case r != nil && r.query != nil && r.query.answer != nil:
		out := r.query.answer
		b.PutID(mt.RPCAnswerDroppedTypeID)
		b.PutLong(out.id)
		b.PutInt32(out.seq)
		b.PutInt(len(out.body))
		in.session.settle(out)
	default:
		b.PutID(mt.RPCAnswerUnknownTypeID)
	}
	in.session.post(encodeRPCResult(m.id, b.Buf), postContent|postResponse)
	return nil
}

// destroyKey forgets the key of the session, and with it the key it is bound to.
func (in *inbound) destroyKey(m message) error {
	b := binary.LittleEndian.AppendUint32(nil, idDestroyKeyOK)
	in.session.post(encodeRPCResult(m.id, b), postContent|postResponse)
	id := in.key.identity()
	in.key.destroyed = true
	if perm := in.key.perm; perm != nil {
		perm.mu.Lock()
		perm.destroyed = true
		perm.mu.Unlock()
	}
	in.key.srv.referee.setHome(id, false)
	in.key.srv.drop(id, in.key.id)
	return nil
}
