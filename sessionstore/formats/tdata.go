package formats

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/telefleet/orchestrator/sessionstore"
)

// A tdata folder of Telegram Desktop (since 2.0), as far as sessions go:
//
//	key_datas       salt (32 bytes); the local key, sealed under the passcode; sealed under
//	                the local key: number of accounts, their indexes, the active one
//	D877F783D5D3EF8Cs   settings of the account with index 0, sealed: blocks, the first of
//	                them number 75 with the keys
//	D877F783D5D3EF8C/maps      list of the account's other files
//	D877F783D5D3EF8C/configs   version, environment (0 production, 1 test), DCs
//
// The names of the others are made of data#2, data#3, ... as D877F783D5D3EF8C is of data: eight
// bytes of MD5, each with its halves swapped. The last letter of a file's name is s; older
// releases wrote 0 and 1 in turn.
//
// A file is: "TDF$", version of the application (4 bytes, little endian), contents, MD5 over
// contents, their length (little endian), version and "TDF$". Contents are Qt's: lengths of 4
// bytes, big endian, before byte strings; integers big endian.
//
// Block 75 is a byte string: user id (4), DC (4); both all ones, then user id (8), DC (4);
// count, then DC (4) and key (256) each; the same for keys that are to be destroyed.
var tdfMagic = []byte("TDF$")

// Limits of what is read of a folder.
const (
	maxTDFile     = 1 << 20
	maxTDAccounts = 64
	maxTDKeys     = 64
)

const (
	tdSaltSize     = 32
	tdBlockMTPAuth = 75
	tdWide         = ^uint32(0)
	tdEnvTest      = 1
)

// ImportFolder reads the accounts of a tdata folder: the folder itself, or one that holds it
// up to two levels down. Accounts that are not logged in are left out and noted.
func ImportFolder(folder fs.FS, o Options) ([]Imported, error) {
	root, err := findTData(folder)
	if err != nil {
		return nil, err
	}
	localKey, indexes, err := readKeyData(root, o.Passcode)
	if err != nil {
		return nil, err
	}
	if o.Account < 0 || o.Account > len(indexes) {
		return nil, invalid(TData, "accounts", "number %d was asked for, the folder holds %d", o.Account, len(indexes)).
			WithRemedy("count the accounts from 1, or import all")
	}
	if o.Account > 0 {
		indexes = indexes[o.Account-1 : o.Account]
	}
	var out []Imported
	var notes []Note
	for n, index := range indexes {
		im, err := readTDAccount(root, localKey, index)
		if errors.Is(err, errLoggedOut) {
			notes = append(notes, Note{"accounts", fmt.Sprintf("number %d of the folder is not logged in and was left out", n+1)})
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := im.check(TData); err != nil {
			return nil, err
		}
		out = append(out, im)
	}
	if len(out) == 0 {
		return nil, invalid(TData, "accounts", "none is logged in").WithRemedy("log in with Telegram Desktop first")
	}
	out[0].Notes = append(out[0].Notes, notes...)
	return out, nil
}

var errLoggedOut = errors.New("not logged in")

// findTData gives the folder in which key_data lies.
func findTData(folder fs.FS) (fs.FS, error) {
	found := map[string]bool{}
	for _, pattern := range []string{"key_data?", "*/key_data?", "*/*/key_data?"} {
		names, err := fs.Glob(folder, pattern)
		if err != nil {
			return nil, invalid(TData, "folder", "cannot be listed")
		}
		for _, name := range names {
			if strings.ContainsAny(name[len(name)-1:], "s01") {
				dir := strings.TrimSuffix(strings.TrimRight(name[:len(name)-len("key_datas")], "/"), "/")
				found[dir] = true
			}
		}
		if len(found) > 0 {
			break
		}
	}
	if len(found) > 1 {
		return nil, invalid(TData, "folder", "there are %d tdata folders in it", len(found)).WithRemedy("import them one by one")
	}
	for dir := range found {
		if dir == "" {
			return folder, nil
		}
		sub, err := fs.Sub(folder, dir)
		if err != nil {
			return nil, invalid(TData, "folder", "cannot be opened")
		}
		return sub, nil
	}
	return nil, invalid(TData, "key_datas", "the file is missing").
		WithRemedy("give the tdata folder itself; open one of a release before 2.0 in a current Telegram Desktop first")
}

// readKeyData opens key_data: the local key and the indexes of the accounts.
func readKeyData(root fs.FS, passcode []byte) (localKey []byte, indexes []uint32, err error) {
	data, err := readTDF(root, "key_data")
	if err != nil {
		return nil, nil, err
	}
	r := reader{b: data}
	salt, sealedKey, sealedInfo := r.qtBytes(), r.qtBytes(), r.qtBytes()
	if r.err != nil || len(salt) != tdSaltSize {
		return nil, nil, invalid(TData, "key_datas", "salt, key and info are not all there")
	}
	wrap, err := tdPasscodeKey(passcode, salt)
	if err != nil {
		return nil, nil, invalid(TData, "key_datas", "%w", err)
	}
	localKey, err = tdDecrypt(sealedKey, wrap)
	if errors.Is(err, errDecrypt) {
		e := *ErrPasscode
		e.Message = "tdata session: passcode: it does not open the folder"
		e.Remedy = "give the local passcode that is set in Telegram Desktop, spelt exactly"
		if len(passcode) == 0 {
			e.Message = "tdata session: passcode: the folder is locked by one and none was given"
		}
		return nil, nil, &e
	}
	if err != nil || len(localKey) != 256 {
		return nil, nil, invalid(TData, "key_datas", "the local key has not 256 bytes")
	}
	info, err := tdDecrypt(sealedInfo, localKey)
	if err != nil {
		return nil, nil, invalid(TData, "key_datas", "the list of accounts %w", err)
	}
	r = reader{b: info}
	n := r.be32()
	if n == 0 || n > maxTDAccounts {
		return nil, nil, invalid(TData, "accounts", "1 to %d (got %d)", maxTDAccounts, n)
	}
	for range n {
		indexes = append(indexes, r.be32())
	}
	if r.err != nil {
		return nil, nil, invalid(TData, "accounts", "%w", r.err)
	}
	return localKey, indexes, nil
}

// readTDAccount reads the account with an index. errLoggedOut when nobody is logged in there.
func readTDAccount(root fs.FS, localKey []byte, index uint32) (Imported, error) {
	name := tdFileName(index)
	plain, err := readSealed(root, name, localKey)
	if err != nil {
		return Imported{}, err
	}
	r := reader{b: plain}
	if id := r.be32(); id != tdBlockMTPAuth {
		return Imported{}, invalid(TData, "account file", "block %d is expected first (got %d)", tdBlockMTPAuth, id).
			WithRemedy("open the folder in a current Telegram Desktop once, close it and try again")
	}
	auth := reader{b: r.qtBytes()}
	if r.err != nil {
		return Imported{}, invalid(TData, "account file", "%w", r.err)
	}
	var im Imported
	im.From = TData
	user, dc := uint64(auth.be32()), auth.be32()
	if uint32(user) == tdWide && dc == tdWide {
		user, dc = auth.be64(), auth.be32()
	}
	n := auth.be32()
	if auth.err != nil || n > maxTDKeys || user > maxUserID {
		return Imported{}, invalid(TData, "account file", "the block of keys is damaged")
	}
	im.Keys = map[int]sessionstore.DCKey{}
	for range n {
		id, key := auth.be32(), auth.take(256)
		if auth.err != nil {
			return Imported{}, invalid(TData, "account file", "the keys %w", auth.err)
		}
		if id >= 1 && id <= maxDC {
			im.Keys[int(id)] = sessionstore.DCKey{Key: sessionstore.AuthKey(key)}
		}
	}
	if user == 0 || dc == 0 || len(im.Keys) == 0 {
		return Imported{}, errLoggedOut
	}
	im.UserID, im.HomeDC = int64(user), int(min(dc, maxDC+1))
	im.Notes = append(im.Notes,
		Note{"server address", "the format's own list is not read; the list of DCs is used"},
		Note{"bot", "the format does not carry it; Telegram tells it on the first connection"})
	return im, readTDConfig(root, name, localKey, &im)
}

// readTDConfig tells test DCs from real ones. The file is written late by Telegram Desktop and
// may be missing.
func readTDConfig(root fs.FS, name string, localKey []byte, im *Imported) error {
	plain, err := readSealed(root, name+"/config", localKey)
	if errors.Is(err, fs.ErrNotExist) {
		im.Notes = append(im.Notes, Note{"test", "the config file is missing; the real DCs are taken"})
		return nil
	}
	if err != nil {
		return err
	}
	outer := reader{b: plain}
	r := reader{b: outer.qtBytes()}
	version, env := r.be32(), r.be32()
	if outer.err != nil || r.err != nil || version != 1 || env > tdEnvTest {
		return invalid(TData, "config file", "version 1 and environment 0 or 1 (got %d and %d)", version, env)
	}
	im.Test = env == tdEnvTest
	return nil
}

// tdFileName is the name of an account's file without its last letter.
func tdFileName(index uint32) string {
	name := "data"
	if index > 0 {
		name = fmt.Sprintf("data#%d", uint64(index)+1)
	}
	sum := md5.Sum([]byte(name))
	for i, b := range sum {
		sum[i] = b<<4 | b>>4
	}
	return fmt.Sprintf("%X", sum[:8])
}

// readSealed reads a file that holds one sealed byte string.
func readSealed(root fs.FS, name string, key []byte) ([]byte, error) {
	data, err := readTDF(root, name)
	if err != nil {
		return nil, err
	}
	r := reader{b: data}
	plain, err := tdDecrypt(r.qtBytes(), key)
	if err != nil {
		return nil, invalid(TData, name, "%w", err)
	}
	return plain, nil
}

// readTDF reads the contents of a file by its name without the last letter. A damaged current
// file is not replaced by an old one, whose keys may be stale.
func readTDF(root fs.FS, name string) ([]byte, error) {
	suffixes := []string{"0", "1"}
	if _, err := fs.Stat(root, name+"s"); err == nil {
		suffixes = []string{"s"}
	} else if a, err := fs.Stat(root, name+"0"); err != nil {
		suffixes = []string{"1"}
	} else if b, err := fs.Stat(root, name+"1"); err == nil && b.ModTime().After(a.ModTime()) {
		suffixes = []string{"1", "0"}
	}
	var first error
	for _, suffix := range suffixes {
		data, err := readTDFile(root, name+suffix)
		if err == nil {
			return data, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

func readTDFile(root fs.FS, name string) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, invalid(TData, name, "%w", fs.ErrNotExist)
		}
		return nil, invalid(TData, name, "cannot be opened")
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxTDFile+1))
	switch {
	case err != nil:
		return nil, invalid(TData, name, "cannot be read to its end")
	case len(b) > maxTDFile:
		return nil, invalid(TData, name, "larger than %d bytes", maxTDFile)
	case len(b) < 24 || !bytes.HasPrefix(b, tdfMagic):
		return nil, invalid(TData, name, "no file of Telegram Desktop, or a part of one")
	}
	contents, sum := b[8:len(b)-16], b[len(b)-16:]
	if want := tdfSum(contents, b[4:8]); !bytes.Equal(want[:], sum) {
		return nil, invalid(TData, name, "the checksum does not fit: the file is damaged")
	}
	return contents, nil
}

func tdfSum(contents, version []byte) (sum [16]byte) {
	h := md5.New()
	h.Write(contents)
	h.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(contents))))
	h.Write(version)
	h.Write(tdfMagic)
	h.Sum(sum[:0])
	return sum
}

// qtBytes reads Qt's byte string: a length of four bytes, all ones for none.
func (r *reader) qtBytes() []byte {
	n := r.be32()
	if n == ^uint32(0) {
		return nil
	}
	if uint64(n) > uint64(len(r.b)) {
		r.fail(errShort)
		return nil
	}
	return r.take(int(n))
}
