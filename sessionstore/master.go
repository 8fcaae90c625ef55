package sessionstore

import (
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

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
	// Argon2id: 64 MiB and three passes take some 100 ms once at each start. They and the
	// lanes are part of the derivation and never change.
	argonPasses = 3
	argonMemory = 64 << 10 // KiB
	argonLanes  = 4
	// MinPassphrase and SaltSize in bytes.
	MinPassphrase = 12
	SaltSize      = 16
)

// MasterKey wraps the data keys of all accounts. It prints redacted.
type MasterKey struct {
	aead cipher.AEAD
	id   [masterIDSize]byte
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

// MasterKeyFromPassphrase derives a master key with argon2id. The salt has SaltSize bytes,
// is no secret, and must be the same on every node.
func MasterKeyFromPassphrase(passphrase, salt []byte) (*MasterKey, error) {
	if len(passphrase) < MinPassphrase {
		return nil, fmt.Errorf("master passphrase: must have at least %d bytes (got %d)", MinPassphrase, len(passphrase))
	}
	if len(salt) != SaltSize {
		return nil, fmt.Errorf("master passphrase: salt must have %d bytes (got %d)", SaltSize, len(salt))
	}
	secret := argon2.IDKey(passphrase, salt, argonPasses, argonMemory, argonLanes, masterSize)
	defer clear(secret)
	return NewMasterKey(secret)
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
	return nil, fleet.Errorf(ErrMasterKey.Code, ErrMasterKey.Reason,
		"master key: the data key of %s was wrapped under master key %016x, this one is %x", id,
		binary.BigEndian.Uint64(wrapped), m.Current.id).
		WithRemedy("give this node the fleet's master key file or passphrase; without it sessions cannot be read")
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
