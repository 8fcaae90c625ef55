package peers

import (
	"cmp"
	"context"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/telefleet/orchestrator/fleet"
)

// maxConflicts bounds the merges of one page write; each one means that another writer got in
// between, of which there is at most the account's former owner.
const maxConflicts = 16

// conflictWait grows with each conflict, so that a replica that is behind catches up.
const conflictWait = 5 * time.Millisecond

// callTimeout bounds a call whose ctx has no deadline.
const callTimeout = 15 * time.Second

// Config of the JetStream store.
type Config struct {
	// Bucket is the key-value bucket; default "PEERS".
	Bucket string
	// Replicas of the bucket; default 1.
	Replicas int
	// Keys gives the data key of an account; required. It returns an error wrapping ErrNoKey
	// for an account that was deleted.
	Keys func(ctx context.Context, account fleet.AccountID) (cipher.AEAD, error)
}

// kv keeps peers in a JetStream key-value bucket, one key a page: "<account>.<bits>.<page>".
// Pages of different bits of one account exist together only while, or after, it was split: a
// reader merges them all, and the next split cleans up.
type kv struct {
	bucket jetstream.KeyValue
	stream jetstream.Stream
	name   string
	keys   func(ctx context.Context, account fleet.AccountID) (cipher.AEAD, error)
}

// NewKV opens or creates the bucket.
func NewKV(ctx context.Context, js jetstream.JetStream, cfg Config) (Store, error) {
	if cfg.Keys == nil {
		return nil, fmt.Errorf("open peers: keys: required")
	}
	if cfg.Bucket == "" {
		cfg.Bucket = "PEERS"
	}
	bucket, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: cfg.Bucket, Description: "peers that accounts have met", History: 1,
		MaxValueSize: MaxPageBytes, Replicas: max(cfg.Replicas, 1), Storage: jetstream.FileStorage,
	})
	if err != nil {
		return nil, fmt.Errorf("open peers: bucket %s: %w", cfg.Bucket, err)
	}
	stream, err := js.Stream(ctx, "KV_"+cfg.Bucket)
	if err != nil {
		return nil, fmt.Errorf("open peers: bucket %s: %w", cfg.Bucket, err)
	}
	return &kv{bucket: bucket, stream: stream, name: cfg.Bucket, keys: cfg.Keys}, nil
}

// pageRef is a page's key without the account.
type pageRef struct {
	bits uint
	page uint32
}

func (r pageRef) key(account fleet.AccountID) string {
	return fmt.Sprintf("%s.%d.%d", account, r.bits, r.page)
}

// page is what is stored under a pageRef; revision 0: nothing.
type page struct {
	peers    []Peer
	revision uint64
}

// errFull: the merged page is larger than MaxPageBytes.
var errFull = errors.New("page is full")

func (s *kv) Load(ctx context.Context, account fleet.AccountID) ([]Peer, error) {
	if err := begin(ctx, account); err != nil {
		return nil, err
	}
	ctx, cancel := limit(ctx)
	defer cancel()
	refs, err := s.pages(ctx, account)
	for range maxConflicts {
		if err != nil {
			break
		}
		var ps []Peer
		if ps, err = s.readAll(ctx, account, refs); err != nil {
			break
		}
		// A split meanwhile may have moved peers to pages that were not listed yet.
		before := refs
		if refs, err = s.pages(ctx, account); err == nil && slices.Equal(before, refs) {
			return ps, nil
		}
	}
	if err == nil {
		err = fmt.Errorf("its pages changed %d times meanwhile", maxConflicts)
	}
	return nil, fmt.Errorf("load peers of %s: %w", account, err)
}

func (s *kv) readAll(ctx context.Context, account fleet.AccountID, refs []pageRef) ([]Peer, error) {
	var out []Peer
	for _, ref := range refs { // ascending in bits: a later split is the newer sighting
		p, err := s.read(ctx, account, ref)
		if err != nil {
			return nil, err
		}
		out = append(out, p.peers...)
	}
	out, _ = mergeInto(nil, out)
	return out, nil
}

func (s *kv) Put(ctx context.Context, account fleet.AccountID, ps []Peer) error {
	if err := begin(ctx, account, ps...); err != nil {
		return err
	}
	if len(ps) == 0 {
		return nil
	}
	ctx, cancel := limit(ctx)
	defer cancel()
	refs, err := s.pages(ctx, account)
	if err == nil {
		bits := uint(0)
		for _, r := range refs {
			bits = max(bits, r.bits)
		}
		err = s.put(ctx, account, bits, ps)
		for errors.Is(err, errFull) && bits < maxBits {
			bits++
			err = s.split(ctx, account, bits, ps)
		}
	}
	if err != nil {
		return fmt.Errorf("save peers of %s: %w", account, err)
	}
	return nil
}

// put merges ps into the pages of the given count.
func (s *kv) put(ctx context.Context, account fleet.AccountID, bits uint, ps []Peer) error {
	by := make(map[uint32][]Peer)
	for _, p := range ps {
		n := pageOf(p.Key(), bits)
		by[n] = append(by[n], p)
	}
	for n, ps := range by {
		if err := s.merge(ctx, account, pageRef{bits, n}, ps); err != nil {
			return err
		}
	}
	return nil
}

// merge writes one page by revision, and reads and merges again on a conflict.
func (s *kv) merge(ctx context.Context, account fleet.AccountID, ref pageRef, ps []Peer) error {
	for i := range maxConflicts {
		if err := pause(ctx, time.Duration(i)*conflictWait); err != nil {
			return err
		}
		p, err := s.read(ctx, account, ref)
		if err != nil {
			return err
		}
		merged, changed := mergeInto(p.peers, ps)
		if !changed {
			return nil
		}
		body := encodePage(merged)
		if len(body) > maxPageBody {
			return errFull
		}
		sealed, err := s.seal(ctx, account, ref, body)
		if err != nil {
			return err
		}
		if p.revision == 0 {
			_, err = s.bucket.Create(ctx, ref.key(account), sealed)
		} else {
			_, err = s.bucket.Update(ctx, ref.key(account), sealed, p.revision)
		}
		if !errors.Is(err, jetstream.ErrKeyExists) {
			return err
		}
	}
	return fmt.Errorf("page %s: %d conflicts in a row", ref.key(account), maxConflicts)
}

// split writes everything again under a larger page count, then removes the old pages. A
// reader in between sees both and merges.
func (s *kv) split(ctx context.Context, account fleet.AccountID, bits uint, ps []Peer) error {
	old, err := s.Load(ctx, account)
	if err != nil {
		return err
	}
	all, _ := mergeInto(old, ps)
	if err := s.put(ctx, account, bits, all); err != nil {
		return err
	}
	refs, err := s.pages(ctx, account)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		if ref.bits >= bits {
			continue
		}
		if err := s.retire(ctx, account, ref, bits); err != nil {
			return err
		}
	}
	return nil
}

// retire removes an old page, after moving what another writer put there meanwhile.
func (s *kv) retire(ctx context.Context, account fleet.AccountID, ref pageRef, bits uint) error {
	for range maxConflicts {
		p, err := s.read(ctx, account, ref)
		if err != nil || p.revision == 0 {
			return err
		}
		if err := s.put(ctx, account, bits, p.peers); err != nil {
			return err
		}
		err = s.bucket.Purge(ctx, ref.key(account), jetstream.LastRevision(p.revision))
		if !wrongRevision(err) {
			return err
		}
	}
	return nil // the next split finds it
}

func wrongRevision(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, jetstream.ErrKeyExists) || errors.As(err, &api) &&
		(api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
			api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

func (s *kv) Delete(ctx context.Context, account fleet.AccountID) error {
	if err := begin(ctx, account); err != nil {
		return err
	}
	ctx, cancel := limit(ctx)
	defer cancel()
	if err := s.stream.Purge(ctx, jetstream.WithPurgeSubject(s.subject(account))); err != nil {
		return fmt.Errorf("delete peers of %s: %w", account, err)
	}
	return nil
}

func (s *kv) subject(account fleet.AccountID) string {
	return "$KV." + s.name + "." + string(account) + ".>"
}

// pages lists an account's pages, deleted ones included, ascending in bits.
func (s *kv) pages(ctx context.Context, account fleet.AccountID) ([]pageRef, error) {
	info, err := s.stream.Info(ctx, jetstream.WithSubjectFilter(s.subject(account)))
	if err != nil {
		return nil, fmt.Errorf("list pages: %w", err)
	}
	var refs []pageRef
	for subject := range info.State.Subjects {
		parts := strings.Split(subject, ".")
		bits, err1 := strconv.ParseUint(parts[len(parts)-2], 10, 8)
		n, err2 := strconv.ParseUint(parts[len(parts)-1], 10, 32)
		if err1 != nil || err2 != nil || bits > maxBits || n >= 1<<bits {
			return nil, fmt.Errorf("%w: page %q", ErrCorrupt, subject)
		}
		refs = append(refs, pageRef{uint(bits), uint32(n)})
	}
	slices.SortFunc(refs, func(a, b pageRef) int {
		return cmp.Or(cmp.Compare(a.bits, b.bits), cmp.Compare(a.page, b.page))
	})
	return refs, nil
}

func (s *kv) read(ctx context.Context, account fleet.AccountID, ref pageRef) (page, error) {
	e, err := s.bucket.Get(ctx, ref.key(account))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return page{}, nil
	}
	if err != nil {
		return page{}, fmt.Errorf("page %s: %w", ref.key(account), err)
	}
	body, err := s.open(ctx, account, ref, e.Value())
	if err != nil {
		return page{}, err
	}
	ps, err := decodePage(body)
	if err != nil {
		return page{}, fmt.Errorf("page %s: %w", ref.key(account), err)
	}
	return page{peers: ps, revision: e.Revision()}, nil
}

func (s *kv) seal(ctx context.Context, account fleet.AccountID, ref pageRef, body []byte) ([]byte, error) {
	key, err := s.key(ctx, account)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, key.NonceSize(), key.NonceSize()+len(body)+key.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("seal page: %w", err)
	}
	return key.Seal(nonce, nonce, body, sealData(account, ref.bits, ref.page)), nil
}

func (s *kv) open(ctx context.Context, account fleet.AccountID, ref pageRef, sealed []byte) ([]byte, error) {
	key, err := s.key(ctx, account)
	if err != nil {
		return nil, err
	}
	if n := key.NonceSize(); len(sealed) >= n {
		if body, err := key.Open(nil, sealed[:n], sealed[n:], sealData(account, ref.bits, ref.page)); err == nil {
			return body, nil
		}
	}
	return nil, fmt.Errorf("%w: page %s does not open", ErrCorrupt, ref.key(account))
}

func (s *kv) key(ctx context.Context, account fleet.AccountID) (cipher.AEAD, error) {
	key, err := s.keys(ctx, account)
	if err != nil {
		return nil, fmt.Errorf("data key: %w", err)
	}
	if key == nil {
		return nil, fmt.Errorf("data key: %w", ErrNoKey)
	}
	return key, nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, callTimeout)
}
