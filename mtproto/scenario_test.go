package mtproto

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/mt"
	"github.com/gotd/td/proto"

	"github.com/telefleet/orchestrator/mtproto/wire"
)

var update = flag.Bool("update", false, "rewrite the expected effects in testdata")

// TestScenarios plays every file of testdata: each block is one input (or one line of set-up),
// then ----, then the effects. Messages of the client are called #1, #2 ... in the order in
// which they left; those of the server s1, s2 ... .
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { playFile(t, file) })
	}
}

func playFile(t *testing.T, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := newScenario(t)
	var out []string
	for _, block := range strings.Split(strings.TrimSpace(string(data)), "\n\n") {
		input, want, isInput := strings.Cut(block, "\n----")
		if !isInput { // a comment
			out = append(out, block)
			continue
		}
		want = strings.TrimPrefix(want, "\n")
		got := s.play(withoutComments(input))
		out = append(out, strings.TrimSuffix(input+"\n----\n"+got, "\n"))
		if got != want && !*update {
			t.Errorf("%s\n%s\nwant:\n%s\n\ngot:\n%s", file, input, want, got)
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.Join(out, "\n\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func withoutComments(input string) []string {
	var lines []string
	for _, line := range strings.Split(input, "\n") {
		if !strings.HasPrefix(line, "# ") {
			lines = append(lines, line)
		}
	}
	return lines
}

// scenario is the state of one file.
type scenario struct {
	t      *testing.T
	engine *Engine
	server *serverCodec
	now    time.Time

	sent     map[string]int64 // "#1" -> message id
	names    map[int64]string // and back
	pingIDs  map[int64]int64
	received map[string]int64 // "s1" -> message id
	last     []byte           // last frame of the server, for repeats
}

func newScenario(t *testing.T) *scenario {
	return &scenario{
		t: t, engine: newTestEngine(t), server: newServerCodec(testKey(), testSession), now: testStart,
		sent: map[string]int64{}, names: map[int64]string{}, pingIDs: map[int64]int64{}, received: map[string]int64{},
	}
}

// command is one line: words, options (key=value) and quoted texts.
type command struct {
	words   []string
	options map[string]string
}

func parseCommand(line string) command {
	c := command{options: map[string]string{}}
	quoted := false
	for _, word := range strings.FieldsFunc(line, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ' ' && !quoted
	}) {
		key, value, isOption := strings.Cut(word, "=")
		if isOption && !strings.HasPrefix(word, `"`) {
			c.options[key] = value
		} else {
			c.words = append(c.words, strings.Trim(word, `"`))
		}
	}
	return c
}

func (c command) word(i int) string {
	if i < len(c.words) {
		return c.words[i]
	}
	return ""
}

func (c command) has(word string) bool { return slices.Contains(c.words, word) }

func (s *scenario) play(lines []string) string {
	c := parseCommand(lines[0])
	if len(lines) > 1 && c.word(1) != "container" {
		s.t.Fatalf("more than one line: %q", lines)
	}
	switch c.word(0) {
	case "up":
		return s.step(SocketUp{})
	case "down":
		return s.step(SocketDown{})
	case "flush":
		return s.step(Flush{Last: len(c.words) > 1 && c.word(1) == "last"})
	case "timer":
		return s.step(TimerFired{})
	case "advance":
		d, err := time.ParseDuration(c.word(1))
		s.must(err)
		s.now = s.now.Add(d)
		return ""
	case "invoke":
		return s.step(s.invoke(c))
	case "bind": // 1 1h: until then
		d, err := time.ParseDuration(c.word(2))
		s.must(err)
		return s.step(Bind{ID: CallID(s.number(c.word(1))), Permanent: &permanentKey, ExpiresAt: s.now.Add(d)})
	case "cancel":
		return s.step(Cancel{ID: CallID(s.number(c.word(1)))})
	case "processed":
		var ids []int64
		for _, name := range c.words[1:] {
			ids = append(ids, s.received[name])
		}
		return s.step(Processed{MsgIDs: ids})
	case "unanswered":
		return s.unanswered()
	case "succeed":
		return s.succeed()
	case "transport":
		b := bin.Buffer{}
		b.PutInt(int(s.number(c.word(1))))
		return s.step(FrameReceived{Data: b.Buf})
	case "server":
		return s.step(FrameReceived{Data: s.frame(c, lines[1:])})
	case "again": // the server's last frame once more, byte by byte
		return s.step(FrameReceived{Data: slices.Clone(s.last)})
	}
	s.t.Fatalf("unknown command %q", lines[0])
	return ""
}

func (s *scenario) must(err error) {
	if err != nil {
		s.t.Helper()
		s.t.Fatal(err)
	}
}

func (s *scenario) number(text string) int64 {
	n, err := strconv.ParseInt(text, 0, 64)
	s.must(err)
	return n
}

func (s *scenario) invoke(c command) Invoke {
	in := Invoke{
		ID: CallID(s.number(c.word(1))), Body: textObject(idQuery, c.word(2)),
		Idempotent: c.has("idempotent"), Low: c.has("low"),
	}
	if c.has("destroy_auth_key") {
		in.Body = []byte{0x60, 0x51, 0x43, 0xd1}
	}
	if size, ok := c.options["size"]; ok {
		in.Body = append(in.Body, make([]byte, int(s.number(size))-len(in.Body))...)
	}
	return in
}

func (s *scenario) unanswered() string {
	var lines []string
	for _, p := range s.engine.Unanswered() {
		lines = append(lines, fmt.Sprintf("call %d idempotent=%t low=%t sent=%t", p.ID, p.Idempotent, p.Low, p.Sent))
	}
	return strings.Join(lines, "\n")
}

// succeed replaces the engine by its successor.
func (s *scenario) succeed() string {
	cfg := s.engine.SuccessorConfig()
	cfg.SessionID = testSession + 1
	pending := s.engine.Unanswered()
	engine, err := New(cfg)
	s.must(err)
	s.engine, s.server.sessionID = engine, cfg.SessionID
	return s.step(Adopt{Calls: pending})
}

// frame makes the packet of a command `server ...`.
func (s *scenario) frame(c command, inner []string) []byte {
	m := s.message(command{words: c.words[1:], options: c.options})
	if c.word(1) == "container" {
		var messages []proto.Message
		for _, line := range inner {
			messages = append(messages, s.message(parseCommand(strings.TrimSpace(line))))
		}
		m.Body = container(messages...)
	}
	var f flaw
	for key, value := range c.options {
		switch key {
		case "padding":
			f.padding = int(s.number(value))
		case "session":
			f.sessionID = s.number(value)
		case "length":
			f.length, f.setLength = int(s.number(value)), true
		}
	}
	frame := s.server.encrypt(m, f)
	if c.options["flip"] != "" {
		frame[s.number(c.options["flip"])] ^= 1
	}
	if c.options["cut"] != "" {
		frame = frame[:len(frame)-int(s.number(c.options["cut"]))]
	}
	if c.options["extra"] != "" { // of a padded transport
		frame = append(frame, make([]byte, s.number(c.options["extra"]))...)
	}
	s.last = slices.Clone(frame)
	return frame
}

// message gives a message of the server its id, name and sequence number.
func (s *scenario) message(c command) proto.Message {
	kind := c.word(0)
	body := s.body(c)
	content := slices.Contains([]string{"rpc_result", "rpc_error", "gzip_result", "updates", "gzip_updates", "new_session_created"}, kind)
	answer := slices.Contains([]string{"rpc_result", "rpc_error", "gzip_result", "pong", "future_salts", "msgs_state_info"}, kind)
	switch c.options["seq"] {
	case "odd":
		content = true
	case "even":
		content = false
	}
	at := s.now
	if age := c.options["age"]; age != "" {
		d, err := time.ParseDuration(age)
		s.must(err)
		at = at.Add(-d)
	}
	id := serverID(at, len(s.received)+1, answer)
	if raw := c.options["id"]; raw != "" && s.received[raw] != 0 {
		id = s.received[raw]
	} else if raw == "even" {
		id &^= 3
	} else {
		s.received[fmt.Sprintf("s%d", len(s.received)+1)] = id
		s.names[id] = fmt.Sprintf("s%d", len(s.received))
	}
	m := proto.Message{ID: id, Body: body}
	if content {
		m.SeqNo = 1
	}
	return m
}

func (s *scenario) id(name string) int64 {
	if id, ok := s.sent[name]; ok {
		return id
	}
	if id, ok := s.received[name]; ok {
		return id
	}
	return s.number(name)
}

func (s *scenario) ids(names []string) []int64 {
	var ids []int64
	for _, name := range names {
		ids = append(ids, s.id(name))
	}
	return ids
}

func (s *scenario) body(c command) []byte {
	option := func(name string) int64 {
		if value, ok := c.options[name]; ok {
			return s.id(value)
		}
		return 0
	}
	switch c.word(0) {
	case "container":
		return container()
	case "pong":
		return encodeTL(&mt.Pong{MsgID: s.id(c.word(1)), PingID: s.pingIDs[s.id(c.word(1))]})
	case "rpc_result":
		return rpcResult(s.id(c.word(1)), textObject(idAnswer, c.word(2)))
	case "gzip_result":
		return rpcResult(s.id(c.word(1)), packed(textObject(idAnswer, c.word(2))))
	case "rpc_error":
		return rpcResult(s.id(c.word(1)), encodeTL(&mt.RPCError{ErrorCode: int(s.number(c.word(2))), ErrorMessage: c.word(3)}))
	case "updates":
		return textObject(idUpdate, c.word(1))
	case "gzip_updates":
		return packed(textObject(idUpdate, c.word(1)))
	case "new_session_created":
		return encodeTL(&mt.NewSessionCreated{FirstMsgID: option("first"), UniqueID: option("unique"), ServerSalt: option("salt")})
	case "bad_server_salt":
		return encodeTL(&mt.BadServerSalt{BadMsgID: s.id(c.word(1)), ErrorCode: 48, NewServerSalt: option("salt")})
	case "bad_msg":
		return encodeTL(&mt.BadMsgNotification{BadMsgID: s.id(c.word(1)), ErrorCode: int(option("code"))})
	case "future_salts": // #2 since:until:value ... in seconds from now
		salts := &mt.FutureSalts{ReqMsgID: s.id(c.word(1)), Now: int(s.now.Unix())}
		for _, word := range c.words[2:] {
			part := strings.Split(word, ":")
			now := int(s.now.Unix())
			salts.Salts = append(salts.Salts, mt.FutureSalt{
				ValidSince: now + int(s.number(part[0])), ValidUntil: now + int(s.number(part[1])), Salt: s.number(part[2]),
			})
		}
		return encodeTL(salts)
	}
	return s.stateBody(c, option)
}

// stateBody makes the messages about messages.
func (s *scenario) stateBody(c command, option func(string) int64) []byte {
	switch c.word(0) {
	case "msgs_ack":
		return encodeTL(&mt.MsgsAck{MsgIDs: s.ids(c.words[1:])})
	case "msgs_state_req":
		return encodeTL(&mt.MsgsStateReq{MsgIDs: s.ids(c.words[1:])})
	case "msg_resend_req":
		return encodeTL(&mt.MsgResendReq{MsgIDs: s.ids(c.words[1:])})
	case "msgs_state_info": // #5 4 1 ...
		var info []byte
		for _, state := range c.words[2:] {
			info = append(info, byte(s.number(state)))
		}
		return encodeTL(&mt.MsgsStateInfo{ReqMsgID: s.id(c.word(1)), Info: info})
	case "msgs_all_info": // #5:4 #6:1 ...
		all := &mt.MsgsAllInfo{}
		for _, word := range c.words[1:] {
			name, state, _ := strings.Cut(word, ":")
			all.MsgIDs = append(all.MsgIDs, s.id(name))
			all.Info = append(all.Info, byte(s.number(state)))
		}
		return encodeTL(all)
	case "msg_detailed_info":
		return encodeTL(&mt.MsgDetailedInfo{MsgID: s.id(c.word(1)), AnswerMsgID: option("answer")})
	case "msg_new_detailed_info":
		return encodeTL(&mt.MsgNewDetailedInfo{AnswerMsgID: option("answer")})
	case "destroy_session_ok":
		return encodeTL(&mt.DestroySessionOk{SessionID: 7})
	case "raw":
		b, err := hex.DecodeString(c.word(1))
		s.must(err)
		return b
	}
	s.t.Fatalf("unknown message %q", c.word(0))
	return nil
}

// step gives the engine an input and describes the effects.
func (s *scenario) step(in Input) string {
	var lines []string
	for _, effect := range s.engine.Step(s.now, in) {
		lines = append(lines, s.describe(effect))
	}
	return strings.Join(lines, "\n")
}

func (s *scenario) describe(effect Effect) string {
	switch effect := effect.(type) {
	case Write:
		return s.describeWrite(effect.Frame)
	case SetTimer:
		if effect.At.IsZero() {
			return "timer off"
		}
		return fmt.Sprintf("timer in %v", effect.At.Sub(s.now))
	case CallDone:
		if effect.Err != nil {
			return fmt.Sprintf("call %d failed: %v", effect.ID, effect.Err)
		}
		_, text := readText(effect.Result)
		return fmt.Sprintf("call %d done: %q", effect.ID, text)
	case UpdatesReceived:
		id, text := readText(effect.Body)
		if id != idUpdate {
			return fmt.Sprintf("updates %s constructor %#x (%d bytes)", s.names[effect.MsgID], id, len(effect.Body))
		}
		return fmt.Sprintf("updates %s: %q", s.names[effect.MsgID], text)
	case SessionCreated:
		return "session created"
	case Persist:
		var salts []string
		for _, salt := range effect.Salts {
			salts = append(salts, fmt.Sprint(salt.Value))
		}
		return fmt.Sprintf("persist salts=[%s] offset=%v", strings.Join(salts, " "), effect.TimeOffset)
	case Refused:
		return fmt.Sprintf("refused %d", effect.Code)
	case Closed:
		var reason *CloseError
		if !errors.As(effect.Reason, &reason) {
			return fmt.Sprintf("closed without CloseError: %v", effect.Reason)
		}
		return "closed: " + strings.ReplaceAll(effect.Reason.Error(), "\n", "; ")
	default:
		return fmt.Sprintf("unknown effect %T", effect)
	}
}

func (s *scenario) describeWrite(frame []byte) string {
	p, err := s.server.decrypt(frame)
	s.must(err)
	var lines []string
	for _, m := range p.messages {
		lines = append(lines, fmt.Sprintf("%s seq=%d %s", s.name(m.ID), m.SeqNo, s.describeBody(m)))
	}
	head := fmt.Sprintf("write salt=%d", p.salt)
	if p.container == nil {
		return head + ": " + lines[0]
	}
	head += fmt.Sprintf(" container %s seq=%d", s.name(p.container.ID), p.container.SeqNo)
	return head + "\n  " + strings.Join(lines, "\n  ")
}

func (s *scenario) name(id int64) string {
	if s.names[id] == "" {
		s.names[id] = fmt.Sprintf("#%d", len(s.sent)+1)
		s.sent[s.names[id]] = id
	}
	return s.names[id]
}

func (s *scenario) describeBody(m proto.Message) string {
	b := &bin.Buffer{Buf: m.Body}
	names := func(ids []int64) string {
		var list []string
		for _, id := range ids {
			list = append(list, s.name(id))
		}
		return strings.Join(list, " ")
	}
	switch id := constructor(m.Body); id {
	case mt.PingDelayDisconnectRequestTypeID:
		var ping mt.PingDelayDisconnectRequest
		s.must(ping.Decode(b))
		s.pingIDs[m.ID] = ping.PingID
		return fmt.Sprintf("ping_delay_disconnect %d", ping.DisconnectDelay)
	case mt.MsgsAckTypeID:
		var ack mt.MsgsAck
		s.must(ack.Decode(b))
		return "msgs_ack " + names(ack.MsgIDs)
	case mt.GetFutureSaltsRequestTypeID:
		return "get_future_salts"
	case mt.MsgsStateReqTypeID:
		var req mt.MsgsStateReq
		s.must(req.Decode(b))
		return "msgs_state_req " + names(req.MsgIDs)
	case mt.MsgResendReqTypeID:
		var req mt.MsgResendReq
		s.must(req.Decode(b))
		return "msg_resend_req " + names(req.MsgIDs)
	case idResendAnswers:
		_, _ = b.ID()
		var ids mt.MsgResendReq
		s.must(ids.DecodeBare(b))
		return "msg_resend_ans_req " + names(ids.MsgIDs)
	case mt.MsgsStateInfoTypeID:
		var info mt.MsgsStateInfo
		s.must(info.Decode(b))
		return fmt.Sprintf("msgs_state_info %s %v", s.name(info.ReqMsgID), info.Info)
	case mt.RPCDropAnswerRequestTypeID:
		var drop mt.RPCDropAnswerRequest
		s.must(drop.Decode(b))
		return "rpc_drop_answer " + s.name(drop.ReqMsgID)
	case wire.IDBindTempAuthKey:
		return s.describeBind(m)
	case idQuery:
		_, text := readText(m.Body)
		if len(m.Body) > 1000 {
			return fmt.Sprintf("query %q (%d bytes)", text, len(m.Body))
		}
		return fmt.Sprintf("query %q", text)
	default:
		return fmt.Sprintf("unknown %#x", id)
	}
}

// TestEveryBadMsgCodeHasAScenario keeps the table of bad_msg codes and the folder in step.
func TestEveryBadMsgCodeHasAScenario(t *testing.T) {
	for _, code := range slices.Sorted(maps.Keys(badMsgScenarios)) {
		if _, err := os.Stat("testdata/" + badMsgScenarios[code] + ".txt"); err != nil {
			t.Errorf("code %d: %v", code, err)
		}
	}
}

var badMsgScenarios = map[int]string{
	16: "bad_msg_16_syncs_time", 17: "bad_msg_17_syncs_time", 18: "bad_msg_18_fails_call", 19: "bad_msg_19_fails_call",
	20: "bad_msg_20_unknown_outcome", 32: "bad_msg_32_new_session", 33: "bad_msg_33_new_session",
	34: "bad_msg_34_fails_call", 35: "bad_msg_35_fails_call", 48: "bad_server_salt", 64: "bad_msg_64_one_by_one",
}
