package sessionstore

import (
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/telefleet/orchestrator/fleet"
)

// What a sealed blob is; part of the associated data, so that one kind cannot pass for
// another.
const (
	kindRecord  = "session"
	kindDataKey = "dek"
)

// blobMagic begins every sealed blob; a version byte follows.
var blobMagic = []byte("OFS")

// errBlob is wrapped by everything that is wrong with a blob itself.
var errBlob = errors.New("not what this fleet sealed for this account")

// associated binds a blob to cluster, account, kind and version. Lengths keep two different
// tuples from looking alike.
func associated(clusterID string, id fleet.AccountID, kind string, version byte) []byte {
	ad := []byte{version}
	for _, s := range []string{"orchestrator", clusterID, string(id), kind} {
		ad = binary.AppendUvarint(ad, uint64(len(s)))
		ad = append(ad, s...)
	}
	return ad
}

// seal makes magic, version, nonce, ciphertext.
func seal(aead cipher.AEAD, ad, plain []byte, version byte) ([]byte, error) {
	blob := append(bytes.Clone(blobMagic), version)
	nonce := make([]byte, aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("draw a nonce: %w", err)
	}
	blob = append(blob, nonce...)
	return aead.Seal(blob, nonce, plain, ad), nil
}

func unseal(aead cipher.AEAD, ad, blob []byte, version byte) ([]byte, error) {
	head := len(blobMagic) + 1
	if len(blob) < head+aead.NonceSize()+aead.Overhead() {
		return nil, fmt.Errorf("%w: %d bytes are too few", errBlob, len(blob))
	}
	if !bytes.HasPrefix(blob, blobMagic) {
		return nil, fmt.Errorf("%w: it does not begin as a sealed value", errBlob)
	}
	if v := blob[len(blobMagic)]; v != version {
		return nil, fmt.Errorf("%w: it has version %d, this program knows %d", errBlob, v, version)
	}
	nonce := blob[head : head+aead.NonceSize()]
	plain, err := aead.Open(nil, nonce, blob[head+aead.NonceSize():], ad)
	if err != nil {
		return nil, fmt.Errorf("%w: the seal does not fit", errBlob)
	}
	return plain, nil
}

// Sealer turns records into sealed blobs and back.
type Sealer struct {
	Keyring Keyring
	// ClusterID is the cluster_id of the configuration.
	ClusterID string
}

// Seal encodes and seals a record; ErrTooLarge beyond MaxSealed.
func (s Sealer) Seal(ctx context.Context, r *Record) ([]byte, error) {
	if err := r.Account.Validate(); err != nil {
		return nil, err
	}
	plain, err := encodeRecord(r)
	if err != nil {
		return nil, fleet.Errorf(fleet.CodeInvalidArgument, "SESSION_INVALID", "session of %s: %w", r.Account, err)
	}
	defer clear(plain)
	aead, err := s.Keyring.DataKey(ctx, r.Account)
	if err != nil {
		return nil, fmt.Errorf("seal session of %s: %w", r.Account, err)
	}
	blob, err := seal(aead, associated(s.ClusterID, r.Account, kindRecord, recordVersion), plain, recordVersion)
	if err != nil {
		return nil, fmt.Errorf("seal session of %s: %w", r.Account, err)
	}
	if len(blob) > MaxSealed {
		return nil, fleet.Errorf(ErrTooLarge.Code, ErrTooLarge.Reason,
			"session of %s: at most %d bytes (got %d, of which the checkpoint has %d)", r.Account, MaxSealed, len(blob), len(r.Checkpoint)).
			WithRemedy("let the account track fewer channels")
	}
	return blob, nil
}

// Open checks and decodes what Seal made for the account; ErrCorrupt for anything else.
func (s Sealer) Open(ctx context.Context, id fleet.AccountID, blob []byte) (*Record, error) {
	aead, err := s.Keyring.DataKey(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("open session of %s: %w", id, err)
	}
	plain, err := unseal(aead, associated(s.ClusterID, id, kindRecord, recordVersion), blob, recordVersion)
	if err != nil {
		return nil, corrupt(id, err)
	}
	defer clear(plain)
	r, err := decodeRecord(plain)
	if err != nil {
		return nil, corrupt(id, err)
	}
	if r.Account != id {
		return nil, corrupt(id, fmt.Errorf("%w: it is that of %s", errBlob, r.Account))
	}
	return r, nil
}

func corrupt(id fleet.AccountID, err error) error {
	return fleet.Errorf(ErrCorrupt.Code, ErrCorrupt.Reason, "session of %s: %w", id, err).
		WithRemedy("restore the store from a backup, or delete the session and sign the account in again")
}

// NotFound is the error of a store that has no record for the account.
func NotFound(id fleet.AccountID) error {
	return fleet.Errorf(ErrNotFound.Code, ErrNotFound.Reason, "session of %s: none is stored", id).
		WithRemedy("sign the account in, or import a session")
}

// Fenced is the error of a write with a fence that is not the current one.
func Fenced(id fleet.AccountID, fence fleet.Fence) error {
	return fleet.Errorf(ErrFenced.Code, ErrFenced.Reason, "session of %s: not written, the writer (token %d) no longer owns the account", id, fence.CreateRevision)
}

// KeyInUse is the error of a write that brings an auth key of another account.
func KeyInUse(id, other fleet.AccountID, key KeyID) error {
	return fleet.Errorf(ErrKeyInUse.Code, ErrKeyInUse.Reason, "session of %s: auth key %s belongs to account %s already", id, key, other).
		WithRemedy("delete account " + string(other) + " first, or use it instead: one auth key on two connections is destroyed by Telegram")
}

// Admit is ErrKeyReplaced when writing next over old would change home DC or home key of an
// authorised record. old may be nil.
func Admit(old, next *Record) error {
	if old == nil || !old.Authorised() {
		return nil
	}
	if was, is := old.Keys[old.HomeDC].Key, next.Keys[next.HomeDC].Key; old.HomeDC == next.HomeDC && was == is {
		return nil
	}
	return fleet.Errorf(ErrKeyReplaced.Code, ErrKeyReplaced.Reason,
		"session of %s: it is signed in; its auth key for home DC %d is kept", old.Account, old.HomeDC).
		WithRemedy("sign out or delete the session first if it is to be replaced")
}

// KeyIDs lists the ids of all auth keys of a record.
func (r *Record) KeyIDs() map[KeyID]bool {
	ids := make(map[KeyID]bool, len(r.Keys))
	for _, k := range r.Keys {
		ids[k.Key.ID()] = true
	}
	return ids
}

// newAEAD makes XChaCha20-Poly1305.
func newAEAD(key []byte) (cipher.AEAD, error) {
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	return aead, nil
}
