package sessionstore

import (
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/telefleet/orchestrator/fleet"
)

const (
	// masterSize is the size of the master key and of its file, in bytes.
	masterSize = chacha20poly1305.KeySize
	// dataKeyVersion is the version of a wrapped data key.
	dataKeyVersion = 1
	// masterIDSize is how much of a hash names the master key in what it wraps.
	masterIDSize = 8
	// MinPassphrase and SaltSize in bytes.
	MinPassphrase = 12
	SaltSize      = 16
	// What a stored derivation may ask for: more is damage, or somebody who wants to exhaust us.
	maxPasses = 64
	maxMemory = 1 << 20 // KiB
)

// KDF says how a master key is derived from a passphrase by argon2id. It is no secret, is stored
// beside what the key seals, and never changes for a key.
type KDF struct {
	Salt []byte `json:"salt"`
	// Passes over Memory KiB by Lanes lanes.
	Passes uint32 `json:"passes"`
	Memory uint32 `json:"memory_kib"`
	Lanes  uint8  `json:"lanes"`
}

// NewKDF is what new master keys are derived with: 64 MiB and three passes take some 100 ms once at
// each start.
func NewKDF() (KDF, error) {
	k := KDF{Salt: make([]byte, SaltSize), Passes: 3, Memory: 64 << 10, Lanes: 4}
	if _, err := rand.Read(k.Salt); err != nil {
		return KDF{}, fmt.Errorf("draw a salt: %w", err)
	}
	return k, nil
}

func (k KDF) check() error {
	switch {
	case len(k.Salt) != SaltSize:
		return fmt.Errorf("salt must have %d bytes (got %d)", SaltSize, len(k.Salt))
	case k.Passes < 1 || k.Passes > maxPasses:
		return fmt.Errorf("passes must be 1 to %d (got %d)", maxPasses, k.Passes)
	case k.Lanes < 1 || k.Memory < 8*uint32(k.Lanes) || k.Memory > maxMemory:
		return fmt.Errorf("memory must be at most %d KiB, for one lane or more (got %d KiB, %d lanes)", maxMemory, k.Memory, k.Lanes)
	}
	return nil
}

// MasterKey wraps the data keys of all accounts. It prints redacted.
type MasterKey struct {
	aead cipher.AEAD
	id   [masterIDSize]byte
	kdf  *KDF // nil for a key from a file
}

// ID names the key: 16 hexadecimal digits, no secret.
func (k *MasterKey) ID() string { return hex.EncodeToString(k.id[:]) }

// KDF is how the key came out of a passphrase, nil for one from a file.
func (k *MasterKey) KDF() *KDF { return k.kdf }

// MasterOf is the ID of the master key that a data key is wrapped under.
func MasterOf(wrapped []byte) string {
	return hex.EncodeToString(wrapped[:min(len(wrapped), masterIDSize)])
}

// NewMasterKey makes a master key from 32 secret bytes.
func NewMasterKey(secret []byte) (*MasterKey, error) {
	if len(secret) != masterSize {
		return nil, fmt.Errorf("master key: must have %d bytes (got %d)", masterSize, len(secret))
	}
	aead, err := newAEAD(secret)
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	k := &MasterKey{aead: aead}
	sum := sha256.Sum256(append([]byte("orchestrator master key id\x00"), secret...))
	copy(k.id[:], sum[:])
	return k, nil
}

// MasterKeyFromPassphrase derives a master key.
func MasterKeyFromPassphrase(passphrase []byte, kdf KDF) (*MasterKey, error) {
	if len(passphrase) < MinPassphrase {
		return nil, fleet.Errorf(fleet.CodeInvalidArgument, "MASTER_PASSPHRASE_SHORT", "master passphrase: must have at least %d bytes (got %d)", MinPassphrase, len(passphrase)).
			WithRemedy("use several random words")
	}
	if err := kdf.check(); err != nil {
		return nil, fmt.Errorf("master passphrase: %w", err)
	}
	secret := argon2.IDKey(passphrase, kdf.Salt, kdf.Passes, kdf.Memory, kdf.Lanes, masterSize)
	defer clear(secret)
	k, err := NewMasterKey(secret)
	if err != nil {
		return nil, err
	}
	k.kdf = &kdf
	return k, nil
}

// LoadMasterKey reads the master key's file: 32 random bytes that only its owner may read.
// With create a missing file is made; create only when nothing was ever sealed.
func LoadMasterKey(path string, create bool) (*MasterKey, error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) && create {
		if err := createMasterFile(path); err != nil {
			return nil, fmt.Errorf("master_key_file: create: %w", err)
		}
		info, err = os.Stat(path)
	}
	if err != nil {
		return nil, fmt.Errorf("master_key_file: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fleet.Errorf(fleet.CodeFailedPrecondition, "MASTER_KEY_EXPOSED",
			"master_key_file: others may read %s (mode %o)", path, mode).WithRemedy("chmod 600 " + path)
	}
	secret, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("master_key_file: %w", err)
	}
	defer clear(secret)
	key, err := NewMasterKey(secret)
	if err != nil {
		return nil, fmt.Errorf("master_key_file: %s: %w", path, err)
	}
	return key, nil
}

// createMasterFile makes the file whole or not at all, and never replaces one.
func createMasterFile(path string) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	secret := make([]byte, masterSize)
	defer clear(secret)
	if _, err = rand.Read(secret); err == nil {
		_, err = tmp.Write(secret)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// String does not show the key.
func (k *MasterKey) String() string { return fmt.Sprintf("master key %x (redacted)", k.id) }

// GoString does not show the key.
func (k *MasterKey) GoString() string { return k.String() }

// Format implements fmt.Formatter: no verb prints the key.
func (k *MasterKey) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, k.String()) }

// LogValue does not show the key.
func (k *MasterKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// Masters are the master keys of a fleet: Current wraps, Old are still accepted until all
// data keys are wrapped anew.
type Masters struct {
	Current *MasterKey
	Old     []*MasterKey
}

// IDs lists the keys' ids, the current one first.
func (m Masters) IDs() []string {
	ids := make([]string, 0, 1+len(m.Old))
	for _, k := range append([]*MasterKey{m.Current}, m.Old...) {
		ids = append(ids, k.ID())
	}
	return ids
}

// With makes the key of an id the current one; false when it is not among them.
func (m Masters) With(id string) (Masters, bool) {
	all := append([]*MasterKey{m.Current}, m.Old...)
	at := slices.IndexFunc(all, func(k *MasterKey) bool { return k.ID() == id })
	if at < 0 {
		return m, false
	}
	current := all[at]
	return Masters{Current: current, Old: slices.Delete(all, at, at+1)}, true
}

// WrongMaster is the error of a node whose keys do not include the one that is needed.
func (m Masters) WrongMaster(what, needed string) error {
	return fleet.Errorf(ErrMasterKey.Code, ErrMasterKey.Reason, "master key: %s wrapped under master key %s, this node has %s",
		what, needed, strings.Join(m.IDs(), " and ")).
		WithRemedy("give this node the fleet's master key file or passphrase; without it sessions cannot be read")
}

// NewDataKey draws a data key for an account and returns its cipher and the wrapped key.
func (m Masters) NewDataKey(clusterID string, id fleet.AccountID) (cipher.AEAD, []byte, error) {
	secret := make([]byte, masterSize)
	defer clear(secret)
	if _, err := rand.Read(secret); err != nil {
		return nil, nil, fmt.Errorf("draw data key of %s: %w", id, err)
	}
	wrapped, err := m.wrap(clusterID, id, secret)
	if err != nil {
		return nil, nil, err
	}
	aead, err := newAEAD(secret)
	return aead, wrapped, err
}

// wrap seals a data key; the master key's id goes before it.
func (m Masters) wrap(clusterID string, id fleet.AccountID, secret []byte) ([]byte, error) {
	blob, err := seal(m.Current.aead, associated(clusterID, id, kindDataKey, dataKeyVersion), secret, dataKeyVersion)
	if err != nil {
		return nil, fmt.Errorf("wrap data key of %s: %w", id, err)
	}
	return append(m.Current.id[:len(m.Current.id):len(m.Current.id)], blob...), nil
}

// unwrap opens a wrapped data key; ErrMasterKey when its master key is not among these,
// ErrCorrupt when it is damaged.
func (m Masters) unwrap(clusterID string, id fleet.AccountID, wrapped []byte) ([]byte, error) {
	if len(wrapped) < masterIDSize {
		return nil, corruptDataKey(id, errBlob)
	}
	for _, master := range append([]*MasterKey{m.Current}, m.Old...) {
		if string(master.id[:]) != string(wrapped[:masterIDSize]) {
			continue
		}
		secret, err := unseal(master.aead, associated(clusterID, id, kindDataKey, dataKeyVersion), wrapped[masterIDSize:], dataKeyVersion)
		if err != nil {
			return nil, corruptDataKey(id, err)
		}
		return secret, nil
	}
	return nil, m.WrongMaster(fmt.Sprintf("the data key of %s is", id), MasterOf(wrapped))
}

// DataKey opens a wrapped data key as a cipher.
func (m Masters) DataKey(clusterID string, id fleet.AccountID, wrapped []byte) (cipher.AEAD, error) {
	secret, err := m.unwrap(clusterID, id, wrapped)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	return newAEAD(secret)
}

// Rewrap wraps a data key under the current master key; nil when it is already.
func (m Masters) Rewrap(clusterID string, id fleet.AccountID, wrapped []byte) ([]byte, error) {
	if len(wrapped) >= masterIDSize && string(wrapped[:masterIDSize]) == string(m.Current.id[:]) {
		return nil, nil
	}
	secret, err := m.unwrap(clusterID, id, wrapped)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	return m.wrap(clusterID, id, secret)
}

func corruptDataKey(id fleet.AccountID, err error) error {
	return fleet.Errorf(ErrCorrupt.Code, ErrCorrupt.Reason, "data key of %s: %w", id, err).
		WithRemedy("restore the store from a backup; without its data key the account must sign in again")
}
