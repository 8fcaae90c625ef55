package sessionstore

import (
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/telefleet/orchestrator/fleet"
)

// What a sealed blob is; part of the associated data, so that one kind cannot pass for
// another.
const (
	kindRecord     = "session"
	kindCheckpoint = "checkpoint"
	kindDataKey    = "dek"
)

// blobMagic begins every sealed blob; a version byte follows.
var blobMagic = []byte("OFS")

// errBlob is wrapped by everything that is wrong with a blob itself.
var errBlob = errors.New("not what this fleet sealed for this account")

// associated binds a blob to cluster, account, kind and version. Lengths keep two different
// tuples from looking alike.
func associated(clusterID string, id fleet.AccountID, kind string, version byte) []byte {
	const product = "orchestrator"
	ad := make([]byte, 1, 1+4*binary.MaxVarintLen16+len(product)+len(clusterID)+len(id)+len(kind))
	ad[0] = version
	for _, s := range [...]string{product, clusterID, string(id), kind} {
		ad = binary.AppendUvarint(ad, uint64(len(s)))
		ad = append(ad, s...)
	}
	return ad
}

// seal makes magic, version, nonce, ciphertext.
func seal(aead cipher.AEAD, ad, plain []byte, version byte) ([]byte, error) {
	head := len(blobMagic) + 1
	blob := make([]byte, head+aead.NonceSize(), head+aead.NonceSize()+len(plain)+aead.Overhead())
	blob[copy(blob, blobMagic)] = version
	nonce := blob[head:]
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("draw a nonce: %w", err)
	}
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

// valueVersion is the version of values that SealValue makes.
const valueVersion = 1

// SealValue seals a small secret of the fleet, bound to its kind and the name of what it belongs
// to.
func SealValue(aead cipher.AEAD, clusterID, kind, name string, plain []byte) ([]byte, error) {
	return seal(aead, associated(clusterID, fleet.AccountID(name), "value/"+kind, valueVersion), plain, valueVersion)
}

// OpenValue opens what SealValue made for the same kind and name.
func OpenValue(aead cipher.AEAD, clusterID, kind, name string, blob []byte) ([]byte, error) {
	plain, err := unseal(aead, associated(clusterID, fleet.AccountID(name), "value/"+kind, valueVersion), blob, valueVersion)
	if err != nil {
		return nil, fleet.Errorf(ErrCorrupt.Code, ErrCorrupt.Reason, "%s of %s: %w", kind, name, err).
			WithRemedy("set it again, or restore the store from a backup")
	}
	return plain, nil
}

// Sealer turns records into sealed blobs and back.
type Sealer struct {
	Keyring Keyring
	// ClusterID is the cluster_id of the configuration.
	ClusterID string
}

// Under is the Sealer with another data key for all records.
func (s Sealer) Under(aead cipher.AEAD) Sealer {
	s.Keyring = oneKey{s.Keyring, aead}
	return s
}

// oneKey is a Keyring whose data key is given.
type oneKey struct {
	Keyring
	aead cipher.AEAD
}

// DataKey implements Keyring.
func (k oneKey) DataKey(context.Context, fleet.AccountID) (cipher.AEAD, error) { return k.aead, nil }

// Sealed is a record as a store keeps it: two values of one account.
type Sealed struct {
	// Core is everything but the checkpoint.
	Core []byte
	// Checkpoint is nil when the record has none.
	Checkpoint []byte
}

// CheckpointSum is the SHA-256 of a checkpoint, zero for none. The core holds it, so that an old
// checkpoint does not pass for the one that belongs to the record.
type CheckpointSum [sha256.Size]byte

// SumOf is the sum of a checkpoint.
func SumOf(checkpoint []byte) (sum CheckpointSum) {
	if len(checkpoint) > 0 {
		sum = sha256.Sum256(checkpoint)
	}
	return sum
}

// Seal encodes and seals a record for a store in which this is the write-th write of it, from 1,
// since the store had none; ErrTooLarge beyond MaxSealed or MaxCheckpoint.
func (s Sealer) Seal(ctx context.Context, r *Record, write int64) (Sealed, error) {
	if err := r.Account.Validate(); err != nil {
		return Sealed{}, err
	}
	if len(r.Checkpoint) > MaxCheckpoint {
		return Sealed{}, tooLarge(r.Account, "its checkpoint", MaxCheckpoint, len(r.Checkpoint), "let the account be in fewer channels")
	}
	plain, err := encodeCore(core{rec: r, sum: SumOf(r.Checkpoint), write: write})
	if err != nil {
		return Sealed{}, fleet.Errorf(fleet.CodeInvalidArgument, "SESSION_INVALID", "session of %s: %w", r.Account, err)
	}
	defer clear(plain)
	aead, err := s.Keyring.DataKey(ctx, r.Account)
	if err != nil {
		return Sealed{}, fmt.Errorf("seal session of %s: %w", r.Account, err)
	}
	var out Sealed
	if out.Core, err = seal(aead, associated(s.ClusterID, r.Account, kindRecord, recordVersion), plain, recordVersion); err != nil {
		return Sealed{}, fmt.Errorf("seal session of %s: %w", r.Account, err)
	}
	if len(out.Core) > MaxSealed {
		return Sealed{}, tooLarge(r.Account, "the sealed record", MaxSealed, len(out.Core), "report the error: it holds more keys and salts than an account has")
	}
	if len(r.Checkpoint) > 0 {
		out.Checkpoint, err = seal(aead, associated(s.ClusterID, r.Account, kindCheckpoint, checkpointVersion), r.Checkpoint, checkpointVersion)
		if err != nil {
			return Sealed{}, fmt.Errorf("seal checkpoint of %s: %w", r.Account, err)
		}
	}
	return out, nil
}

func tooLarge(id fleet.AccountID, what string, limit, got int, remedy string) error {
	return fleet.Errorf(ErrTooLarge.Code, ErrTooLarge.Reason, "session of %s: %s has at most %d bytes (got %d)", id, what, limit, got).
		WithRemedy(remedy)
}

// Open checks and decodes what Seal made for the account and the write; ErrCorrupt for anything
// else, an older record or checkpoint included.
func (s Sealer) Open(ctx context.Context, id fleet.AccountID, sealed Sealed, write int64) (*Record, error) {
	r, sum, err := s.OpenCore(ctx, id, sealed.Core, write)
	if err != nil || sum == (CheckpointSum{}) {
		return r, err
	}
	if sealed.Checkpoint == nil {
		return nil, corrupt(id, fmt.Errorf("%w: its checkpoint is missing", errBlob))
	}
	aead, err := s.Keyring.DataKey(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("open session of %s: %w", id, err)
	}
	r.Checkpoint, err = unseal(aead, associated(s.ClusterID, id, kindCheckpoint, checkpointVersion), sealed.Checkpoint, checkpointVersion)
	if err != nil {
		return nil, corrupt(id, fmt.Errorf("checkpoint: %w", err))
	}
	if SumOf(r.Checkpoint) != sum {
		return nil, corrupt(id, fmt.Errorf("%w: its checkpoint is that of another write", errBlob))
	}
	return r, nil
}

// OpenCore is Open without the checkpoint: it gives the checkpoint's sum instead.
func (s Sealer) OpenCore(ctx context.Context, id fleet.AccountID, blob []byte, write int64) (*Record, CheckpointSum, error) {
	aead, err := s.Keyring.DataKey(ctx, id)
	if err != nil {
		return nil, CheckpointSum{}, fmt.Errorf("open session of %s: %w", id, err)
	}
	version := byte(recordVersion)
	if len(blob) > len(blobMagic) && blob[len(blobMagic)] >= oldestVersion {
		version = min(version, blob[len(blobMagic)])
	}
	plain, err := unseal(aead, associated(s.ClusterID, id, kindRecord, version), blob, version)
	if err != nil {
		return nil, CheckpointSum{}, corrupt(id, err)
	}
	defer clear(plain)
	c, err := decodeCore(plain, version)
	if err != nil {
		return nil, CheckpointSum{}, corrupt(id, err)
	}
	if c.rec.Account != id {
		return nil, CheckpointSum{}, corrupt(id, fmt.Errorf("%w: it is that of %s", errBlob, c.rec.Account))
	}
	if c.write != write {
		return nil, CheckpointSum{}, corrupt(id, fmt.Errorf("%w: it is write %d of the record, the store has seen %d: an old one was put back", errBlob, c.write, write))
	}
	return c.rec, c.sum, nil
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
