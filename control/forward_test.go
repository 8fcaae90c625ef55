package control

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/api/orchestrator/v1/orchestratorv1connect"
	"github.com/telefleet/orchestrator/control/methods"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/certs"
	"github.com/telefleet/orchestrator/internal/faultproxy"
	"github.com/telefleet/orchestrator/telegram"
)

// town is several nodes in one process that share a table of owners.
type town struct {
	t     *testing.T
	certs string

	mu      sync.Mutex
	owner   map[fleet.AccountID]string
	address map[string]string
	changed chan struct{} // closed and replaced by each change
	nodes   map[string]*townNode
}

// townNode is one node: a house whose accounts are those that the table gives it.
type townNode struct {
	*house
	town *town
	name string
	url  string
	srv  *Server
	// view, when set, is what this node believes instead of the table.
	view func(id fleet.AccountID) (Owner, bool)
}

func newTown(t *testing.T, names ...string) *town {
	t.Helper()
	w := &town{
		t: t, certs: filepath.Join(t.TempDir(), "certs"), owner: map[fleet.AccountID]string{}, address: map[string]string{},
		changed: make(chan struct{}), nodes: map[string]*townNode{},
	}
	if err := certs.Init(w.certs, "test", time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		n := &townNode{house: newHouse(t), town: w, name: name}
		n.cfg.Node, n.cfg.Fleet, n.cfg.Owners, n.cfg.Cluster = name, n, n, w.side(name)
		n.cfg.wait = 200 * time.Millisecond
		n.cfg.links = links{dial: 10 * time.Second, ping: 10 * time.Second, pong: 10 * time.Second} // a slow machine is not a dead one
		w.nodes[name] = n
		w.address[name] = n.cfg.Cluster.Listener.Addr().String()
	}
	return w
}

// side makes a node's listener and certificate.
func (w *town) side(name string) *Cluster {
	w.t.Helper()
	id := identity(w.t, w.certs, name)
	l, err := Listen(w.t.Context(), "cluster.listen", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	return &Cluster{Listener: l, Server: id.Server(), Client: id.Client()}
}

func identity(t *testing.T, dir, name string) *certs.Identity {
	t.Helper()
	made, err := certs.Issue(dir, name, []string{"127.0.0.1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	id, err := certs.Load(certs.Files{Field: "cluster.tls", CA: filepath.Join(dir, certs.CAFile), Cert: made.Cert, Key: made.Key}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// open starts all nodes.
func (w *town) open() {
	w.t.Helper()
	for _, n := range w.nodes {
		n.url, n.srv = n.start()
	}
}

// move gives an account to a node; "" to none.
func (w *town) move(id fleet.AccountID, node string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.owner[id] = node
	close(w.changed)
	w.changed = make(chan struct{})
}

// on says how every node answers calls of the account "a".
func (n *townNode) on(fn func(context.Context, bin.Encoder) (bin.Encoder, error)) {
	n.envs["a"].on = fn
}

func (n *townNode) Local(id fleet.AccountID) bool {
	if n.view != nil {
		owner, ok := n.view(id)
		return ok && string(owner.Node) == n.name
	}
	n.town.mu.Lock()
	defer n.town.mu.Unlock()
	return n.town.owner[id] == n.name
}

func (n *townNode) Env(ctx context.Context, id fleet.AccountID) (telegram.Env, error) {
	return n.house.Env(ctx, id)
}

func (n *townNode) Owner(id fleet.AccountID) (Owner, error) {
	if n.view != nil {
		if owner, ok := n.view(id); ok {
			return owner, nil
		}
	}
	n.town.mu.Lock()
	defer n.town.mu.Unlock()
	node := n.town.owner[id]
	if node == "" {
		return Owner{}, errors.New("no owner")
	}
	return Owner{Node: fleet.NodeID(node), Address: n.town.address[node]}, nil
}

func (n *townNode) WaitOwner(ctx context.Context, id fleet.AccountID) (Owner, error) {
	for {
		n.town.mu.Lock()
		changed := n.town.changed
		n.town.mu.Unlock()
		if owner, err := n.Owner(id); err == nil {
			return owner, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Owner{}, ctx.Err()
		}
	}
}

// die cuts a node off like the end of its process.
func (n *townNode) die() {
	if err := n.srv.closeAll(); err != nil {
		n.t.Error(err)
	}
}

func (n *townNode) users() orchestratorv1connect.UserServiceClient {
	return orchestratorv1connect.NewUserServiceClient(http.DefaultClient, n.url)
}

// command calls a method that is no read and gives its error.
func (n *townNode) command(ctx context.Context) error { return n.commandBy(ctx, http.DefaultClient) }

func (n *townNode) commandBy(ctx context.Context, client *http.Client) error {
	_, err := orchestratorv1connect.NewRawServiceClient(client, n.url).Invoke(ctx, &v1.InvokeRequest{
		Account: "a", Request: &v1.InvokeRequest_Json{Json: `{"_":"users.getUsers","id":[{"_":"inputUserSelf"}]}`},
	})
	return err
}

func TestAnyNodeServesEveryAccount(t *testing.T) {
	w := newTown(t, "n1", "n2", "n3")
	w.nodes["n2"].on(answers(alice))
	w.move("a", "n2")
	w.open()
	for name, n := range w.nodes {
		code, out := post(t, n.url, "UserService/GetMe", `{"account":"a"}`)
		if user, _ := out["user"].(map[string]any); code != 200 || user["firstName"] != "Alice" {
			t.Errorf("%s, JSON: %d %v", name, code, out)
		}
		for protocol, opts := range map[string][]connect.ClientOption{"connect": nil, "gRPC-Web": {connect.WithGRPCWeb()}} {
			me, err := orchestratorv1connect.NewUserServiceClient(http.DefaultClient, n.url, opts...).GetMe(t.Context(), &v1.GetMeRequest{Account: "a"})
			if err != nil || me.GetUser().GetUsername() != "alice" {
				t.Errorf("%s, %s: %v, %v", name, protocol, me, err)
			}
		}
		_, out = post(t, n.url, "UserService/GetMe", `{"account":"a","acount":"b"}`)
		if detail(t, out)["reason"] != "REQUEST_INVALID" {
			t.Errorf("%s: an unknown field: %v", name, out)
		}
	}
}

func TestErrorsAreTheSameFromEveryNode(t *testing.T) {
	w := newTown(t, "n1", "n2")
	w.move("a", "n1")
	w.open()
	for _, problem := range []error{
		tgerr.New(420, "FLOOD_WAIT_30"), tgerr.New(400, "PEER_ID_INVALID"), errors.New("an internal one"),
		fleet.Errorf(fleet.CodeFailedPrecondition, "ACCOUNT_PAUSED", "the account is paused").WithRemedy("resume it"),
		fleet.Errorf(fleet.CodeOutOfRange, "RESOURCE_VERSION_TOO_OLD", "too old"),
	} {
		w.nodes["n1"].on(func(context.Context, bin.Encoder) (bin.Encoder, error) { return nil, problem })
		codeHere, here := post(t, w.nodes["n1"].url, "UserService/GetMe", `{"account":"a"}`)
		codeThere, there := post(t, w.nodes["n2"].url, "UserService/GetMe", `{"account":"a"}`)
		if diff := cmp.Diff(here, there); diff != "" || codeHere != codeThere {
			t.Errorf("%v: %d and %d\n%s", problem, codeHere, codeThere, diff)
		}
		if detail(t, there)["reason"] == "" {
			t.Errorf("%v: no reason in %v", problem, there)
		}
	}
}

func TestDeadlineAndCancelReachTheOwner(t *testing.T) {
	w := newTown(t, "n1", "n2")
	entered, left := make(chan time.Time, 1), make(chan struct{}, 1)
	w.nodes["n1"].on(func(ctx context.Context, _ bin.Encoder) (bin.Encoder, error) {
		deadline, _ := ctx.Deadline()
		entered <- deadline
		<-ctx.Done()
		left <- struct{}{}
		return nil, ctx.Err()
	})
	w.move("a", "n1")
	w.nodes["n2"].cfg.Timeout = time.Hour
	w.open()

	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := w.nodes["n2"].users().GetMe(ctx, &v1.GetMeRequest{Account: "a"})
	if connect.CodeOf(err) != connect.CodeDeadlineExceeded {
		t.Errorf("got %v", err)
	}
	if want, _ := ctx.Deadline(); (<-entered).After(want.Add(time.Minute)) {
		t.Error("the owner was given more time than the caller has")
	}
	<-left

	ctx, cancel = context.WithCancel(t.Context())
	call := make(chan error, 1)
	go func() {
		_, err := w.nodes["n2"].users().GetMe(ctx, &v1.GetMeRequest{Account: "a"})
		call <- err
	}()
	<-entered
	cancel()
	<-left // the owner stops when the caller of the other node is gone
	if err := <-call; connect.CodeOf(err) != connect.CodeCanceled {
		t.Errorf("got %v", err)
	}
}

func TestAccountThatMovesIsFollowed(t *testing.T) {
	w := newTown(t, "n1", "n2", "n3")
	w.nodes["n3"].on(answers(alice))
	w.move("a", "n2")
	asked := make(chan struct{}, 100)
	w.nodes["n2"].view = func(fleet.AccountID) (Owner, bool) { // it has just let go, the others do not know yet
		asked <- struct{}{}
		return Owner{Node: "n3"}, true
	}
	w.open()
	call := make(chan error, 1)
	go func() { call <- w.nodes["n1"].command(t.Context()) }()
	<-asked
	w.move("a", "n3")
	if err := <-call; err != nil {
		t.Errorf("a command, refused by the former owner: %v", err)
	}
}

func TestOwnerThatDoesNotKnowYetWaitsForItsTable(t *testing.T) {
	w := newTown(t, "n1", "n2")
	var asked atomic.Int32
	w.nodes["n2"].on(answers(alice))
	w.nodes["n2"].view = func(fleet.AccountID) (Owner, bool) { // its own claim reaches it last
		return Owner{Node: "n2"}, asked.Add(1) > 2
	}
	w.move("a", "n2")
	w.nodes["n1"].cfg.wait = 10 * time.Second
	w.nodes["n2"].cfg.wait = 10 * time.Second
	w.open()
	if err := w.nodes["n1"].command(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCallsAreNotPassedInCircles(t *testing.T) {
	w := newTown(t, "n1", "n2")
	var hops atomic.Int32
	for name, other := range map[string]string{"n1": "n2", "n2": "n1"} {
		w.nodes[name].view = func(fleet.AccountID) (Owner, bool) {
			hops.Add(1)
			return Owner{Node: fleet.NodeID(other), Address: w.address[other]}, true
		}
	}
	w.open()
	wantDetail(t, w.nodes["n1"].command(t.Context()), "NOT_OWNER")
	if n := hops.Load(); n > 200 {
		t.Errorf("the owner was looked up %d times for one call", n)
	}
}

func TestHeaderOfAPublicCallerIsIgnored(t *testing.T) {
	w := newTown(t, "n1", "n2")
	w.nodes["n2"].on(answers(alice))
	w.move("a", "n2")
	w.open()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.nodes["n1"].url+orchestratorv1connect.UserServiceGetMeProcedure, strings.NewReader(`{"account":"a"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(forwardedHeader, "n9")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("got %s", res.Status)
	}
}

func TestOwnerThatDiesDuringACall(t *testing.T) {
	w := newTown(t, "n1", "n2", "n3")
	entered := make(chan struct{}, 1)
	var carriedOut atomic.Int32
	hang := func(ctx context.Context, _ bin.Encoder) (bin.Encoder, error) {
		carriedOut.Add(1)
		entered <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	w.nodes["n2"].on(hang)
	w.nodes["n3"].on(func(context.Context, bin.Encoder) (bin.Encoder, error) {
		carriedOut.Add(1)
		return alice, nil
	})
	w.move("a", "n2")
	w.open()
	command, read := make(chan error, 1), make(chan error, 1)
	go func() { command <- w.nodes["n1"].command(context.Background()) }()
	<-entered
	go func() {
		_, err := w.nodes["n1"].users().GetMe(context.Background(), &v1.GetMeRequest{Account: "a"})
		read <- err
	}()
	<-entered
	w.move("a", "n3")
	w.nodes["n2"].die()
	wantDetail(t, <-command, "OWNER_LOST") // it may have been carried out: never twice
	if err := <-read; err != nil {
		t.Errorf("a read is repeated at the next owner: %v", err)
	}
	if n := carriedOut.Load(); n != 3 {
		t.Errorf("%d calls were carried out, want the command once and the read twice", n)
	}
	if err := w.nodes["n1"].command(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestDeadOwnerIsUnavailable(t *testing.T) {
	w := newTown(t, "n1", "n2")
	w.move("a", "n2")
	w.open()
	w.nodes["n2"].die()
	wantDetail(t, w.nodes["n1"].command(t.Context()), "OWNER_UNREACHABLE")
	w.move("a", "")
	wantDetail(t, w.nodes["n1"].command(t.Context()), "NO_OWNER")
	_, out := post(t, w.nodes["n1"].url, "UserService/GetMe", `{"account":"nobody"}`)
	if detail(t, out)["reason"] != "ACCOUNT_UNKNOWN" {
		t.Errorf("got %v", out)
	}
	call := make(chan error, 1)
	w.nodes["n1"].on(answers(alice))
	go func() { call <- w.nodes["n1"].command(t.Context()) }()
	w.move("a", "n1")
	if err := <-call; err != nil {
		t.Errorf("an account that gets its owner: %v", err)
	}
}

// TestSilentOwnerFailsTheCall has a node that is gone without a word, and callers without a
// deadline.
func TestSilentOwnerFailsTheCall(t *testing.T) {
	w := newTown(t, "n1", "n2")
	entered := make(chan struct{}, 10)
	w.nodes["n2"].on(func(ctx context.Context, _ bin.Encoder) (bin.Encoder, error) {
		entered <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	proxy, err := faultproxy.Start(t.Context(), w.address["n2"])
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	w.address["n2"] = proxy.Addr()
	w.move("a", "n2")
	w.nodes["n1"].cfg.Timeout = time.Hour
	w.nodes["n1"].cfg.links = links{dial: time.Second, ping: 500 * time.Millisecond, pong: time.Second}
	w.open()
	calls := make(chan error, 2)
	for range 2 {
		go func() { calls <- w.nodes["n1"].command(context.Background()) }()
	}
	<-entered
	<-entered
	proxy.BlackHole(faultproxy.Both)
	for range 2 {
		wantDetail(t, <-calls, "OWNER_LOST")
	}
	wantDetail(t, w.nodes["n1"].command(t.Context()), "OWNER_UNREACHABLE")
}

func TestConnectionToANodeIsShared(t *testing.T) {
	w := newTown(t, "n1", "n2")
	w.nodes["n2"].on(func(context.Context, bin.Encoder) (bin.Encoder, error) { // encoding writes into the value
		return &tg.UserClassVector{Elems: []tg.UserClass{&tg.User{ID: 1001}}}, nil
	})
	proxy, err := faultproxy.Start(t.Context(), w.address["n2"])
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	w.address["n2"] = proxy.Addr()
	w.move("a", "n2")
	w.open()
	if err := w.nodes["n1"].command(t.Context()); err != nil {
		t.Fatal(err)
	}
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	defer transport.CloseIdleConnections()
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if err := w.nodes["n1"].commandBy(t.Context(), &http.Client{Transport: transport}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if _, accepted := proxy.Connections(); accepted != 1 {
		t.Errorf("%d connections", accepted)
	}
}

// counterService is a service that the contract does not have: a stream of one account.
//
//	rpc Count(CountRequest{string account = 1}) returns (stream CountReply{string text = 1});
func counterService(t *testing.T) protoreflect.MethodDescriptor {
	t.Helper()
	field := func(name string) []*descriptorpb.FieldDescriptorProto {
		return []*descriptorpb.FieldDescriptorProto{{
			Name: &name, Number: proto.Int32(1), Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}}
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("counter.proto"), Package: proto.String("test.v1"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{
			{Name: proto.String("CountRequest"), Field: field("account")}, {Name: proto.String("CountReply"), Field: field("text")},
		},
		Service: []*descriptorpb.ServiceDescriptorProto{{
			Name: proto.String("CounterService"), Method: []*descriptorpb.MethodDescriptorProto{{
				Name: proto.String("Count"), InputType: proto.String(".test.v1.CountRequest"), OutputType: proto.String(".test.v1.CountReply"),
				ServerStreaming: proto.Bool(true),
			}},
		}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return file.Services().Get(0).Methods().Get(0)
}

func TestStreamOfAnAccountComesFromItsOwner(t *testing.T) {
	rpc := counterService(t)
	message := func(d protoreflect.MessageDescriptor, text string) proto.Message {
		m := dynamicpb.NewMessage(d)
		m.Set(d.Fields().ByNumber(1), protoreflect.ValueOfString(text))
		return m
	}
	w := newTown(t, "n1", "n2")
	ended := make(chan error, 10)
	for _, n := range w.nodes {
		n.cfg.Methods = append(Methods(), methods.Method{
			Descriptor: rpc, New: func() proto.Message { return dynamicpb.NewMessage(rpc.Input()) },
			Stream: func(ctx context.Context, host *methods.Host, _ proto.Message, send func(proto.Message) error) error {
				if _, err := host.Env(ctx, "a"); err != nil {
					return err
				}
				for i := range 3 {
					if err := send(message(rpc.Output(), fmt.Sprintf("%s %d", n.name, i))); err != nil {
						return err
					}
				}
				<-ctx.Done()
				ended <- ctx.Err()
				return fleet.Errorf(fleet.CodeAborted, "COUNTED", "the end")
			},
		})
	}
	w.move("a", "n2")
	w.open()
	request, err := proto.Marshal(message(rpc.Input(), "a"))
	if err != nil {
		t.Fatal(err)
	}
	open := func(ctx context.Context) *connect.ServerStreamForClient[raw] {
		t.Helper()
		client := connect.NewClient[raw, raw](http.DefaultClient, w.nodes["n1"].url+"/test.v1.CounterService/Count", connect.WithCodec(rawCodec{}))
		stream, err := client.CallServerStream(ctx, connect.NewRequest(&raw{request}))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			want, _ := proto.Marshal(message(rpc.Output(), fmt.Sprintf("n2 %d", i)))
			if !stream.Receive() || string(stream.Msg().data) != string(want) {
				t.Fatalf("item %d: %v, %v", i, stream.Msg(), stream.Err())
			}
		}
		return stream
	}
	ctx, cancel := context.WithCancel(t.Context())
	stream := open(ctx)
	cancel()
	<-ended // the owner's side ends with the caller
	_ = stream.Close()

	stream = open(t.Context())
	defer stream.Close()
	w.nodes["n2"].die()
	if stream.Receive() {
		t.Error("an item from a dead node")
	}
	wantDetail(t, stream.Err(), "OWNER_LOST")
	<-ended
}

func TestClusterListenerRefusesStrangers(t *testing.T) {
	w := newTown(t, "n1", "n2")
	w.nodes["n1"].on(answers(alice))
	w.move("a", "n1")
	w.open()
	foreign := filepath.Join(t.TempDir(), "foreign")
	if err := certs.Init(foreign, "foreign", time.Now()); err != nil {
		t.Fatal(err)
	}
	friend := identity(t, w.certs, "friend").Client()
	stranger := friend.Clone() // trusts this cluster, but has a certificate of another
	stranger.Certificates = identity(t, foreign, "n1").Client().Certificates
	nobody := friend.Clone()
	nobody.Certificates = nil
	old := friend.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	call := func(scheme string, config *tls.Config) (string, error) {
		transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		res, err := (&http.Client{Transport: transport}).Post(scheme+"://"+w.address["n1"]+orchestratorv1connect.UserServiceGetMeProcedure, "application/json", strings.NewReader(`{"account":"a"}`))
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		return string(body), err
	}
	if body, err := call("https", friend); err != nil || !strings.Contains(body, "Alice") {
		t.Fatalf("a node of the cluster: %s, %v", body, err)
	}
	for name, config := range map[string]*tls.Config{"foreign certificate": stranger, "no certificate": nobody, "TLS 1.2": old} {
		if body, err := call("https", config); err == nil {
			t.Errorf("%s: got %s", name, body)
		}
	}
	if body, err := call("http", nil); err == nil && strings.Contains(body, "Alice") {
		t.Errorf("clear text: got %s", body)
	}
}

func TestForeignNodeGetsNoCalls(t *testing.T) {
	w := newTown(t, "n1", "n2")
	foreign := filepath.Join(t.TempDir(), "foreign")
	if err := certs.Init(foreign, "foreign", time.Now()); err != nil {
		t.Fatal(err)
	}
	id := identity(t, foreign, "n2")
	w.nodes["n2"].cfg.Cluster.Server = id.Server() // it has taken the address of a node
	w.nodes["n2"].on(answers(alice))
	w.move("a", "n2")
	w.open()
	wantDetail(t, w.nodes["n1"].command(t.Context()), "OWNER_UNREACHABLE")
}

func TestClusterWithoutMutualTLSIsRefused(t *testing.T) {
	w := newTown(t, "n1")
	good := w.nodes["n1"].cfg
	defer good.Cluster.Listener.Close()
	for name, spoil := range map[string]func(c *Cluster){
		"no listener":    func(c *Cluster) { c.Listener = nil },
		"any client":     func(c *Cluster) { c.Server.ClientAuth = tls.RequestClientCert },
		"no authority":   func(c *Cluster) { c.Server.ClientCAs = nil },
		"old server":     func(c *Cluster) { c.Server.MinVersion = tls.VersionTLS12 },
		"any server":     func(c *Cluster) { c.Client.InsecureSkipVerify = true },
		"system's roots": func(c *Cluster) { c.Client.RootCAs = nil },
	} {
		cfg := good
		cfg.Cluster = &Cluster{Listener: good.Cluster.Listener, Server: good.Cluster.Server.Clone(), Client: good.Cluster.Client.Clone()}
		spoil(cfg.Cluster)
		if _, err := NewServer(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestListenNamesTheSetting(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = Listen(t.Context(), "cluster.listen", l.Addr().String())
	if !isReason(err, "LISTEN_OCCUPIED") || !strings.Contains(err.Error(), "cluster.listen") {
		t.Errorf("got %v", err)
	}
}

func TestShutdownAnswersTheCallsOfOtherNodes(t *testing.T) {
	w := newTown(t, "n1", "n2")
	entered, release := make(chan struct{}), make(chan struct{})
	w.nodes["n2"].on(func(context.Context, bin.Encoder) (bin.Encoder, error) {
		close(entered)
		<-release
		return alice, nil
	})
	w.move("a", "n2")
	w.open()
	call, ended := make(chan error, 1), make(chan error, 1)
	go func() { call <- w.nodes["n1"].command(t.Context()) }()
	<-entered
	go func() { ended <- w.nodes["n2"].srv.Shutdown(context.Background()) }()
	<-w.nodes["n2"].srv.draining
	close(release)
	if err := <-call; err != nil {
		t.Errorf("the running call: %v", err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
