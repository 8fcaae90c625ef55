package dcs

import (
	"cmp"
	"crypto/rsa"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gotd/td/tg"
)

// learnEvery bounds how often answers of help.getConfig are looked at: each connection brings one.
const learnEvery = 10 * time.Minute

// Directory is a list that follows what Telegram says (help.getConfig, updateDcOptions, help.getCdnConfig).
type Directory struct {
	built List
	fixed bool
	now   func() time.Time
	known atomic.Pointer[List]

	mu      sync.Mutex
	learnt  []Option
	looked  time.Time
	asked   time.Time         // since Outdated last said that the config is to be asked for
	cdn     time.Time         // when the CDN keys were learnt
	failed  map[int]time.Time // when a DC's addresses for files were last not to be reached
	changed func([]Option)
}

// NewDirectory begins with a built-in list and what was learnt in a former life, which may be nothing. changed is told
// the options whenever others are learnt, and may be nil.
func NewDirectory(built List, learnt []Option, now func() time.Time, changed func([]Option)) *Directory {
	d := &Directory{built: built, now: now, learnt: learnt, changed: changed}
	d.publish()
	return d
}

// Fixed is a directory that stays as it is: for a list that an operator has given. Only CDN keys are learnt.
func Fixed(l List) *Directory {
	d := &Directory{built: l, fixed: true, now: time.Now}
	d.publish()
	return d
}

// Known is the list as of now. What Telegram said comes first; the built-in addresses of each DC stay behind it, in case
// that none of those answers.
func (d *Directory) Known() List { return *d.known.Load() }

// Due reports whether Learn would look at the options of a config now.
func (d *Directory) Due() bool {
	if d.fixed {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.looked.IsZero() || d.now().Sub(d.looked) >= learnEvery
}

// outdatedEvery bounds how often Outdated has a config asked for: every account is told of a change.
const outdatedEvery = time.Minute

// Outdated takes that Telegram has told of other DCs (updateDcOptions), and reports whether the caller is to ask for the
// config and to let it be learnt.
func (d *Directory) Outdated() bool {
	if d.fixed {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	if !d.asked.IsZero() && now.Sub(d.asked) < outdatedEvery {
		return false
	}
	d.asked = now
	return true
}

// Learn takes over the options of a config. Those that cannot be dialled are left out; if there is none of an ordinary
// DC, nothing is taken over.
func (d *Directory) Learn(options []tg.DCOption) {
	if d.fixed {
		return
	}
	next := fromTL(options)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.looked = d.now()
	if !slices.ContainsFunc(next, func(o Option) bool { return !o.CDN && !o.MediaOnly }) || sameOptions(next, d.learnt) {
		return
	}
	d.learnt = next
	d.publish()
	if d.changed != nil {
		d.changed(slices.Clone(next))
	}
}

// filesAgain is how long addresses for files that could not be reached are left alone.
const filesAgain = time.Minute

// ServesFiles reports whether a DC has addresses for files that may be tried now.
func (d *Directory) ServesFiles(id int, ip IPv6) bool {
	if len(d.Known().Select(id, Want{Media: true, IPv6: ip})) == 0 {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	at, failed := d.failed[id]
	return !failed || d.now().Sub(at) >= filesAgain
}

// FilesFailed takes that a DC's addresses for files could not be reached.
func (d *Directory) FilesFailed(id int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failed == nil {
		d.failed = map[int]time.Time{}
	}
	d.failed[id] = d.now()
}

// CDNKeysDue reports whether the keys of a CDN DC are to be asked for: they are not known, or old.
func (d *Directory) CDNKeysDue(id int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.Known().CDNKeys[id]) == 0 || d.now().Sub(d.cdn) >= time.Hour
}

// LearnCDNKeys takes over the answer of help.getCdnConfig. Keys that cannot be read are left out.
func (d *Directory) LearnCDNKeys(config *tg.CDNConfig) {
	keys := map[int][]*rsa.PublicKey{}
	for _, k := range config.PublicKeys {
		if parsed, err := parseKey(k.PublicKey); err == nil {
			keys[k.DCID] = append(keys[k.DCID], parsed)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cdn = d.now()
	l := d.Known()
	l.CDNKeys = keys
	d.known.Store(&l)
}

// sameOptions compares without regard to order, which the server may change at will.
func sameOptions(a, b []Option) bool {
	order := func(x, y Option) int { return cmp.Or(cmp.Compare(x.ID, y.ID), cmp.Compare(x.Addr, y.Addr)) }
	return slices.Equal(slices.SortedFunc(slices.Values(a), order), slices.SortedFunc(slices.Values(b), order))
}

// publish makes the list anew.
func (d *Directory) publish() {
	l := d.built
	if old := d.known.Load(); old != nil {
		l.CDNKeys = old.CDNKeys
	}
	l.Options = slices.Concat(d.learnt, d.built.Options)
	d.known.Store(&l)
}

// fromTL converts options. Those with a secret are for clients that cannot reach Telegram otherwise
// and are left out, as are those that make no sense.
func fromTL(options []tg.DCOption) []Option {
	var out []Option
	for _, o := range options {
		ip := net.ParseIP(o.IPAddress)
		if len(o.Secret) > 0 || ip == nil || o.ID < 1 || o.ID > 999 || o.Port < 1 || o.Port > 65535 {
			continue
		}
		out = append(out, Option{
			ID: o.ID, Addr: net.JoinHostPort(o.IPAddress, strconv.Itoa(o.Port)), IPv6: ip.To4() == nil,
			MediaOnly: o.MediaOnly, CDN: o.CDN, Static: o.Static, TCPOOnly: o.TCPObfuscatedOnly,
		})
	}
	return out
}
