package simulator

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/telefleet/orchestrator/simulator/calls"
	"github.com/telefleet/orchestrator/simulator/files"
	"github.com/telefleet/orchestrator/simulator/model"
	"github.com/telefleet/orchestrator/simulator/mtserver"
)

// The values that callers exchange with the model.
type (
	UserSpec = model.UserSpec
	User     = model.Identity
	BotSpec  = model.BotSpec
	Bot      = model.Bot
	Ledger   = model.Ledger
	Entry    = model.Entry
)

// tickEvery is how often waiting queries are looked through for expired ones.
const tickEvery = 250 * time.Millisecond

// Config says how a Simulator behaves. The zero value is three DCs on free ports of
// 127.0.0.1 without faults.
type Config struct {
	DCs    []int  // default 1, 2, 3
	CDN    []int  // those of DCs that are CDN DCs
	Media  []int  // those of DCs that have a media_only address as well
	Listen string // of every DC; default "127.0.0.1:0"
	Seed   uint64
	Faults *mtserver.Faults // default: all off, drawn from Seed
	Log    hclog.Logger     // default: null logger
	Now    func() time.Time // default time.Now

	Model  model.Config    // further settings; DCs, Seed, Log and Now are overwritten
	Server mtserver.Config // further settings; DCs, Listen, Faults, Log and Now are overwritten
}

// Simulator is a running local Telegram.
type Simulator struct {
	world  *model.World
	rooms  calls.Rooms
	server *mtserver.Server
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// DC is what a client must know to reach one DC.
type DC = mtserver.DCInfo

// Start listens and serves until Close is called or ctx ends.
func Start(ctx context.Context, cfg Config) (*Simulator, error) {
	if len(cfg.DCs) == 0 {
		cfg.DCs = []int{1, 2, 3}
	}
	if cfg.Faults == nil {
		cfg.Faults = mtserver.NewFaults(cfg.Seed)
	}
	if cfg.Log == nil {
		cfg.Log = hclog.NewNullLogger()
	}
	m, s := cfg.Model, cfg.Server
	m.Seed, m.Log, m.Now = cfg.Seed, cfg.Log.Named("model"), cfg.Now
	for _, id := range cfg.Media {
		s.Media = append(s.Media, -id)
	}
	s.DCs, s.Listen, s.Faults, s.Log, s.Now = cfg.DCs, cfg.Listen, cfg.Faults, cfg.Log.Named("server"), cfg.Now
	late := &latePusher{ready: make(chan struct{})}
	sim := &Simulator{world: model.New(m, late)}
	sim.rooms = calls.Join(sim.world)
	ctx, sim.cancel = context.WithCancel(ctx)
	server, err := mtserver.Start(ctx, s, &handler{world: sim.world, ready: late.ready})
	if err != nil {
		sim.cancel()
		return nil, fmt.Errorf("start simulator: %w", err)
	}
	sim.server = server
	if err := sim.announceDCs(cfg.CDN); err != nil {
		sim.cancel()
		return nil, errors.Join(err, server.Close())
	}
	late.server = server
	close(late.ready)
	sim.wg.Go(func() { sim.tick(ctx, max(tickEvery, s.Housekeeping)) })
	return sim, nil
}

// Close ends all connections and waits for all goroutines.
func (s *Simulator) Close() error {
	s.cancel()
	err := s.server.Close()
	s.wg.Wait()
	return errors.Join(err, s.rooms.Close())
}

func (s *Simulator) tick(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.world.Tick()
		}
	}
}

func (s *Simulator) announceDCs(cdn []int) error {
	var dcs []model.DC
	for _, dc := range s.server.DCs() {
		host, port, err := net.SplitHostPort(dc.Addr)
		if err != nil {
			return fmt.Errorf("address of DC %d: %w", dc.ID, err)
		}
		n, err := strconv.Atoi(port)
		if err != nil {
			return fmt.Errorf("port of DC %d: %w", dc.ID, err)
		}
		one := model.DC{ID: dc.ID, IP: host, Port: n, MediaOnly: dc.MediaOnly}
		if slices.Contains(cdn, dc.ID) {
			one.CDN = publicKey(dc)
		}
		dcs = append(dcs, one)
	}
	s.world.SetDCs(dcs)
	return nil
}

// publicKey is a DC's key in PEM.
func publicKey(dc DC) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(dc.Key)}))
}

// AddUser creates a user who can sign in by phone and code.
func (s *Simulator) AddUser(spec UserSpec) (User, error) { return s.world.AddUser(spec) }

// AddBot creates a bot and its token.
func (s *Simulator) AddBot(spec BotSpec) (Bot, error) { return s.world.AddBot(spec) }

// LoginCode returns the last login code sent to this phone.
func (s *Simulator) LoginCode(phone string) (string, bool) { return s.rooms.Auth.LoginCode(phone) }

// Refuse answers the next n calls of a method such as "messages.sendMessage" with an error,
// for example 420 FLOOD_WAIT_5 or 500 AUTH_RESTART, before the model sees them.
func (s *Simulator) Refuse(method string, code int, message string, n int) error {
	id, ok := s.world.Constructor(method)
	if !ok {
		return fmt.Errorf("refuse: method: is not modelled (got %q)", method)
	}
	s.Faults().RPCError(id, code, message, n)
	return nil
}

// World returns the model half, for scripted people and for looking inside.
func (s *Simulator) World() *model.World { return s.world }

// Files lets f look into the files and change how they are served, while no call does.
func (s *Simulator) Files(f func(*files.Store)) { s.world.Do(func() { f(s.rooms.Files.Store) }) }

// Server returns the protocol half.
func (s *Simulator) Server() *mtserver.Server { return s.server }

// Ledger returns the list of everything that the accounts are owed.
func (s *Simulator) Ledger() *Ledger { return s.world.Ledger() }

// Faults returns the switches that make the simulator misbehave.
func (s *Simulator) Faults() *mtserver.Faults { return s.server.Faults() }

// Referee returns the judge of parallel connections.
func (s *Simulator) Referee() *mtserver.Referee { return s.server.Referee() }

// DCs returns address and public key of each DC.
func (s *Simulator) DCs() []DC { return s.server.DCs() }

// DCFile is the form of the file that WriteDCFile writes.
type DCFile struct {
	Test       bool      `json:"test"`
	DCs        []DCEntry `json:"dcs"`
	PublicKeys []string  `json:"public_keys"` // PEM, PKCS #1
}

// DCEntry is one address of a DC in a DCFile.
type DCEntry struct {
	ID        int    `json:"id"`
	Addr      string `json:"addr"`
	MediaOnly bool   `json:"media_only"`
}

// WriteDCFile writes addresses and public keys of all DCs as JSON, for clients. The file
// appears complete or not at all.
func (s *Simulator) WriteDCFile(path string) error {
	var file DCFile
	for _, dc := range s.DCs() {
		file.DCs = append(file.DCs, DCEntry{ID: dc.ID, Addr: dc.Addr, MediaOnly: dc.MediaOnly})
		if !dc.MediaOnly { // it has the key of its DC
			file.PublicKeys = append(file.PublicKeys, publicKey(dc))
		}
	}
	data, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return fmt.Errorf("encode DC file: %w", err)
	}
	partial := path + ".partial"
	if err := os.WriteFile(partial, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write DC file: %w", err)
	}
	if err := os.Rename(partial, path); err != nil {
		return fmt.Errorf("write DC file: %w", err)
	}
	return nil
}
