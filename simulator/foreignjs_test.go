package simulator_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gotd/td/crypto"
	"github.com/gotd/td/telegram"
	"github.com/gotd/td/telegram/message"
	"github.com/gotd/td/telegram/query"
	"github.com/gotd/td/telegram/uploader"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/simulator/mtserver"
)

// scriptLine is one line of what testdata/mtcute/client.js prints.
type scriptLine struct {
	Step   string `json:"step"`
	ID     int64  `json:"id"`
	Name   string `json:"name"`
	Text   string `json:"text"`
	Out    bool   `json:"out"`
	SHA256 string `json:"sha256"`
	Size   int    `json:"size"`
	DC     int    `json:"dc"`
}

// script is a running client in Node.js.
type script struct {
	in  io.Writer
	out *json.Decoder
}

func (s script) write(line string) error { _, err := io.WriteString(s.in, line+"\n"); return err }

// expect reads one line and fails if it is of another step.
func (s script) expect(step string) (scriptLine, error) {
	var l scriptLine
	if err := s.out.Decode(&l); err != nil {
		return l, fmt.Errorf("wait for %q: %w", step, err)
	}
	if l.Step != step {
		return l, fmt.Errorf("got step %q (%s), want %q", l.Step, l.Text, step)
	}
	return l, nil
}

// drawKey returns a key whose fingerprint has 16 hexadecimal digits: mtcute looks keys up by digits
// and leaves leading zeros out on one side only.
func drawKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	for {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		if uint64(crypto.RSAFingerprint(&key.PublicKey))>>60 != 0 {
			return key
		}
	}
}

// startScript installs what package-lock.json names, without running any of its scripts, and starts
// the client.
func startScript(ctx context.Context, t *testing.T, setup any) script {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is needed: install Node.js 20 or later, on Debian by 'apt-get install nodejs npm' (%v)", tool, err)
		}
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "mtcute"))); err != nil {
		t.Fatal(err)
	}
	install := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci, which needs the npm registry: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(ctx, "node", "client.js")
	cmd.Dir = dir
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if t.Failed() {
			_ = cmd.Process.Kill() // may have ended
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("client.js: %v", err)
		}
		if t.Failed() {
			t.Logf("client.js wrote:\n%s", complaints.String())
		}
	})
	s := script{in, json.NewDecoder(bufio.NewReader(out))}
	first, err := json.Marshal(setup)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.write(string(first)); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestForeignMtcuteTalksAndMovesFiles shows the simulator to a client of another language and another
// author: mtcute moves to its home DC, enters a code, sends, receives, reads history, uploads a file
// and downloads one from another DC. Its acknowledgements have odd sequence numbers.
func TestForeignMtcuteTalksAndMovesFiles(t *testing.T) {
	if os.Getenv("ORCHESTRATOR_LONG") == "" {
		t.Skip("installs packages from the npm registry: set ORCHESTRATOR_LONG")
	}
	keys := map[int]*rsa.PrivateKey{1: drawKey(t), 2: drawKey(t)}
	ctx, sim := startSimulator(t, simulator.Config{DCs: []int{1, 2}, Seed: 25, Server: mtserver.Config{Keys: keys, OddAcks: true}})
	ann := addUser(t, sim, simulator.UserSpec{Phone: "+15550001", FirstName: "Ann", Username: "annie", HomeDC: 2})
	bob := addUser(t, sim, simulator.UserSpec{Phone: "+15550002", FirstName: "Bob", Username: "bobby", HomeDC: 1})
	view := make([]byte, 700<<10+3)
	_, _ = rand.Read(view) // never fails
	signedIn(ctx, t, sim, bob, func(ctx context.Context, client *telegram.Client) error {
		file, err := uploader.NewUploader(client.API()).FromBytes(ctx, "view.bin", view)
		if err != nil {
			return err
		}
		_, err = message.NewSender(client.API()).Resolve("annie").File(ctx, file)
		return err
	})
	var pems []string
	for _, d := range sim.DCs() {
		pems = append(pems, string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(d.Key)})))
	}
	host, port := splitAddr(t, sim.DCs()[0].Addr)
	s := startScript(ctx, t, map[string]any{
		"dc": map[string]any{"id": 1, "ipAddress": host, "port": port}, "keys": pems,
		"phone": ann.Phone, "peer": "bobby", "text": "hello from elsewhere", "size": 100<<10 + 7, "logLevel": 2,
	})
	uploaded, err := talk(s, sim, ann, bob)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkHistory(s, digestOf(view)); err != nil {
		t.Fatal(err)
	}
	checkReceived(ctx, t, sim, bob, uploaded)
	if n := sim.Referee().Counts().Duplicated; n != 0 {
		t.Errorf("the referee killed %d keys of a client that keeps one main connection", n)
	}
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// talk goes with the script from login to upload.
func talk(s script, sim *simulator.Simulator, ann, bob simulator.User) (scriptLine, error) {
	if _, err := s.expect("code"); err != nil {
		return scriptLine{}, err
	}
	code, ok := sim.LoginCode(ann.Phone)
	if !ok {
		return scriptLine{}, fmt.Errorf("no code was sent")
	}
	if err := s.write(code); err != nil {
		return scriptLine{}, err
	}
	if l, err := s.expect("login"); err != nil || l.ID != ann.ID {
		return l, fmt.Errorf("login: got user %d, want %d: %w", l.ID, ann.ID, err)
	}
	if l, err := s.expect("sent"); err != nil {
		return l, err
	}
	if _, err := sim.World().Say(bob.ID, ann.ID, "hello back"); err != nil {
		return scriptLine{}, err
	}
	if err := s.write("hello back"); err != nil {
		return scriptLine{}, err
	}
	if l, err := s.expect("received"); err != nil {
		return l, err
	}
	return s.expect("uploaded")
}

// checkHistory compares what the script saw, newest first.
func checkHistory(s script, view string) error {
	want := []scriptLine{
		{Text: "a file", Out: true}, {Text: "hello back"},
		{Text: "hello from elsewhere", Out: true}, {SHA256: view, DC: 1},
	}
	for _, w := range want {
		got, err := s.expect("history")
		if err != nil {
			return err
		}
		if got.Text != w.Text || got.Out != w.Out || got.SHA256 != w.SHA256 || got.DC != w.DC {
			return fmt.Errorf("history: got %+v, want %+v", got, w)
		}
	}
	_, err := s.expect("end")
	return err
}

// checkReceived has the other side look, by another client.
func checkReceived(ctx context.Context, t *testing.T, sim *simulator.Simulator, bob simulator.User, uploaded scriptLine) {
	signedIn(ctx, t, sim, bob, func(ctx context.Context, client *telegram.Client) error {
		from, err := message.NewSender(client.API()).Resolve("annie").AsInputPeer(ctx)
		if err != nil {
			return err
		}
		history, err := query.Messages(client.API()).GetHistory(from).Collect(ctx)
		if err != nil {
			return err
		}
		var texts []string
		for _, e := range history {
			texts = append(texts, e.Msg.(*tg.Message).Message)
		}
		if got, want := strings.Join(texts, "|"), "a file|hello back|hello from elsewhere|"; got != want {
			t.Fatalf("history of the other side: got %q, want %q", got, want)
		}
		doc, ok := history[0].Document()
		if !ok || doc.Size != int64(uploaded.Size) {
			t.Fatalf("the file of the other side: got %v, want %d bytes", doc, uploaded.Size)
		}
		var got bytes.Buffer
		if _, err := client.Download(doc.AsInputDocumentFileLocation("")).Stream(ctx, &got); err != nil {
			return err
		}
		if digestOf(got.Bytes()) != uploaded.SHA256 {
			t.Error("the file of the other side differs")
		}
		return nil
	})
}
