package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/telefleet/orchestrator/configs"
	"github.com/telefleet/orchestrator/control"
	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore"
	storeetcd "github.com/telefleet/orchestrator/sessionstore/etcd"
)

// previousSuffix is behind the name of a key's file in the default name of the former one's.
const previousSuffix = ".previous"

// openKeys makes the keyring of the master keys that the configuration names, and checks that the
// one in use is among them. fresh: nothing was ever sealed.
func (n *node) openKeys(ctx context.Context, cfg configs.Config, fresh bool) error {
	for tries := 2; ; tries-- {
		masters, err := n.masters(ctx, cfg, fresh)
		if err != nil {
			return err
		}
		n.keys = storeetcd.NewKeyring(n.client, storeetcd.KeyringConfig{ClusterID: cfg.ClusterID, Masters: masters})
		n.hookKeys = storeetcd.NewKeyring(n.client, storeetcd.KeyringConfig{Prefix: hookKeys, ClusterID: cfg.ClusterID, Masters: masters})
		if err = n.keys.Open(ctx); err == nil {
			err = n.hookKeys.Open(ctx)
		}
		switch {
		case !errors.Is(err, sessionstore.ErrMasterKey) || !cfg.Security.ByPassphrase():
			return err
		case tries == 1:
			return fleet.Errorf(sessionstore.ErrMasterKey.Code, "MASTER_PASSPHRASE_WRONG", "security.passphrase_file: this is not the passphrase that the sessions are sealed under: %w", err).
				WithRemedy("give the fleet's passphrase; after a rotation the new one, and while it runs the former one as security.previous_passphrase_file")
		}
		// Another node of a new cluster may have drawn a salt in the same moment: derive again.
	}
}

// masters reads the master keys that the configuration names: the wanted one, and the former one
// where there is one.
func (n *node) masters(ctx context.Context, cfg configs.Config, fresh bool) (m sessionstore.Masters, err error) {
	s := cfg.Security
	file := cmp.Or(s.MasterKeyFile, filepath.Join(cfg.DataDir, "master.key"))
	if s.ByPassphrase() {
		m.Current, err = n.passphrase(ctx, "security.passphrase_file", s.PassphraseFile)
	} else {
		m.Current, err = masterKey(file, cfg.External(), fresh)
	}
	if err != nil {
		return m, err
	}
	var former []*sessionstore.MasterKey
	if path := previous(s.PreviousMasterKeyFile, file); path != "" {
		key, err := sessionstore.LoadMasterKey(path, false)
		if err != nil {
			return m, fmt.Errorf("security.previous_master_key_file: %w", err)
		}
		former = append(former, key)
	}
	if path := previous(s.PreviousPassphraseFile, s.PassphraseFile); path != "" {
		key, err := n.passphrase(ctx, "security.previous_passphrase_file", path)
		if err != nil {
			return m, err
		}
		former = append(former, key)
	}
	for _, key := range former {
		if key.ID() != m.Current.ID() {
			m.Old = append(m.Old, key)
		}
	}
	return m, nil
}

// previous is the file of a former key: the given one, or the default one if there is such a file.
func previous(given, current string) string {
	if given != "" || current == "" {
		return given
	}
	if _, err := os.Stat(current + previousSuffix); err != nil {
		return ""
	}
	return current + previousSuffix
}

// masterKey reads the key that wraps all others. It is made only where nothing is sealed yet: a
// lost one is never papered over. The nodes of a cluster share one, which nobody can make for them.
func masterKey(path string, external, fresh bool) (*sessionstore.MasterKey, error) {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) && external {
		return nil, fleet.Errorf(fleet.CodeFailedPrecondition, "MASTER_KEY_MISSING", "security.master_key_file: there is no file %s", path).
			WithRemedy("copy it from another node; for a new cluster make it once: (umask 077; head -c 32 /dev/urandom > " + path + ")")
	}
	return sessionstore.LoadMasterKey(path, fresh)
}

// passphrase derives a master key from the passphrase in a file, or in the environment without one.
func (n *node) passphrase(ctx context.Context, field, path string) (*sessionstore.MasterKey, error) {
	text := []byte(os.Getenv(configs.EnvPassphrase))
	if path != "" {
		var err error
		if text, err = os.ReadFile(path); err != nil {
			return nil, fmt.Errorf("%s: %w", field, err)
		}
		text = bytes.TrimRight(text, "\r\n")
	}
	defer clear(text)
	key, err := storeetcd.Passphrase(ctx, n.client, "", text)
	var told *fleet.Error
	if errors.As(err, &told) { // it knows what to do, but not where
		return nil, fleet.Errorf(told.Code, told.Reason, "%s: %w", field, err).WithRemedy(told.Remedy)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	return key, nil
}

// guardian is the node's master keys as the API wants them.
type guardian struct {
	n   *node
	cfg configs.Config
}

// RotateMasterKey implements control.Security.
func (g guardian) RotateMasterKey(ctx context.Context) (control.MasterRotation, error) {
	self := g.n.member.Node()
	out := control.MasterRotation{Node: self}
	masters, err := g.n.masters(ctx, g.cfg, false)
	if err != nil {
		return out, err
	}
	var live []string
	for _, node := range g.n.member.Nodes() {
		live = append(live, string(node.ID))
	}
	for _, ring := range g.n.rings() {
		r, err := ring.Rotate(ctx, masters, string(self), live)
		out.Master, out.Waiting, out.Rewrapped = r.Master, r.Waiting, out.Rewrapped+r.Rewrapped
		if err != nil {
			return out, err
		}
	}
	if len(out.Waiting) == 0 {
		g.n.log.Info("master key is current; the former ones may be taken away", "master_key", out.Master, "data_keys_rewrapped", out.Rewrapped)
	}
	return out, nil
}

// rings are the keyrings under the one master key: of the accounts, and of the webhooks.
func (n *node) rings() []*storeetcd.Keyring { return []*storeetcd.Keyring{n.keys, n.hookKeys} }

// announceKeys tells the other nodes which master keys this one has.
func (n *node) announceKeys(ctx context.Context) error {
	for _, ring := range n.rings() {
		if err := ring.Announce(ctx, string(n.member.Node())); err != nil {
			return err
		}
	}
	return nil
}
