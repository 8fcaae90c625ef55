package media

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/simulator/files"
	"github.com/telefleet/orchestrator/telegram"
)

// home is the DC of the account in tests.
const home = 2

// storeEnv is an account at a Telegram that has files only.
type storeEnv struct {
	t       *testing.T
	mu      sync.Mutex
	store   *files.Store
	who     files.Who
	calls   map[string]int // by method
	before  func(name string) error
	running int // calls at once
	most    int
}

func newEnv(t *testing.T, cfg files.Config) *storeEnv {
	t.Helper()
	cfg.Dir, cfg.Now, cfg.Rand = t.TempDir(), time.Now, rand.New(rand.NewPCG(3, 4)).Int64
	e := &storeEnv{t: t, store: files.New(cfg), who: files.Who{User: 1, DC: home}, calls: map[string]int{}}
	t.Cleanup(func() {
		if err := e.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func (e *storeEnv) Peers() telegram.Peers    { return nil }
func (e *storeEnv) Account() fleet.AccountID { return "ann" }
func (e *storeEnv) App() telegram.AppProfile { return telegram.AppProfile{} }
func (e *storeEnv) count(name string) int    { e.mu.Lock(); defer e.mu.Unlock(); return e.calls[name] }

func (e *storeEnv) Invoke(ctx context.Context, in bin.Encoder, out bin.Decoder) error {
	return e.InvokeOn(ctx, 0, in, out)
}

// InvokeOn carries a call over as bytes, and follows FILE_MIGRATE as an account does.
func (e *storeEnv) InvokeOn(ctx context.Context, dc int, in bin.Encoder, out bin.Decoder) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var query bin.Buffer
	if err := in.Encode(&query); err != nil {
		return err
	}
	name := in.(interface{ TypeName() string }).TypeName()
	e.mu.Lock()
	e.running++
	e.most = max(e.most, e.running)
	e.calls[name]++
	before := e.before
	e.mu.Unlock()
	if before != nil {
		if err := before(name); err != nil {
			e.mu.Lock()
			e.running--
			e.mu.Unlock()
			return err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running--
	who := e.who
	if dc != 0 {
		who.DC = dc
	}
	answer, err := e.answer(who, query.Buf)
	var rpc *tgerr.Error
	if errors.As(err, &rpc) && rpc.Type == "FILE_MIGRATE" {
		e.calls["FILE_MIGRATE"]++
		who.DC = rpc.Argument
		answer, err = e.answer(who, query.Buf)
	}
	if err != nil {
		return err
	}
	var result bin.Buffer
	if err := answer.Encode(&result); err != nil {
		return err
	}
	return out.Decode(&result)
}

func (e *storeEnv) answer(who files.Who, query []byte) (bin.Encoder, error) {
	b := &bin.Buffer{Buf: query}
	id, err := b.PeekID()
	if err != nil {
		return nil, err
	}
	make := tg.TypesConstructorMap()[id]
	if make == nil {
		return nil, fmt.Errorf("constructor %#x", id)
	}
	q := make()
	if err := q.Decode(b); err != nil {
		return nil, err
	}
	if b.Len() != 0 {
		return nil, fmt.Errorf("%d bytes behind the query", b.Len())
	}
	switch q := q.(type) {
	case *tg.UploadSaveFilePartRequest:
		return &tg.BoolTrue{}, e.store.SavePart(who, q.FileID, q.FilePart, q.Bytes)
	case *tg.UploadSaveBigFilePartRequest:
		return &tg.BoolTrue{}, e.store.SaveBigPart(who, q.FileID, q.FilePart, q.FileTotalParts, q.Bytes)
	case *tg.UploadGetFileRequest:
		return e.store.GetFile(who, q)
	case *tg.UploadGetCDNFileRequest:
		return e.store.GetCDNFile(q)
	case *tg.UploadReuploadCDNFileRequest:
		return vector(e.store.Reupload(q))
	case *tg.UploadGetCDNFileHashesRequest:
		return vector(e.store.GetCDNHashes(q))
	case *tg.MessagesEditMessageRequest:
		m := &tg.Message{ID: q.ID, PeerID: &tg.PeerUser{UserID: 5}, Message: q.Message}
		return &tg.Updates{Updates: []tg.UpdateClass{&tg.UpdateEditMessage{Message: m}}}, nil
	case *tg.UsersGetUsersRequest:
		return &tg.UserClassVector{Elems: []tg.UserClass{&tg.User{ID: 1, Self: true, Premium: who.Premium}}}, nil
	}
	return nil, fmt.Errorf("unexpected call %T", q)
}

func vector(hashes []tg.FileHash, err error) (bin.Encoder, error) {
	return &tg.FileHashVector{Elems: hashes}, err
}

// document makes a document of an uploaded file and says where it lies.
func (e *storeEnv) document(t *testing.T, f File) Location {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	m, err := e.store.Media(e.who, &tg.InputMediaUploadedDocument{File: f.Input(), MimeType: f.Mime})
	if err != nil {
		t.Fatal(err)
	}
	return e.location(m.File)
}

func (e *storeEnv) location(f *files.File) Location {
	doc := e.store.Document(f, e.who.User)
	return Location{
		Input: &tg.InputDocumentFileLocation{ID: doc.ID, AccessHash: doc.AccessHash, FileReference: doc.FileReference},
		DC:    doc.DCID, Size: doc.Size,
	}
}

func idOf(l Location) int64 { return l.Input.(*tg.InputDocumentFileLocation).ID }
