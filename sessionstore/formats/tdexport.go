package formats

import (
	"archive/zip"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"maps"
	"regexp"
	"slices"
)

// tdVersion is the application version written into files: Telegram Desktop refuses files of
// versions newer than itself. 3.0 knows user ids of 64 bits.
const tdVersion = 3_000_000

// encodeTData writes a folder with one account, as a zip.
func encodeTData(s Session, o Options) (Exported, error) {
	if err := s.needsUser(TData); err != nil {
		return Exported{}, err
	}
	if s.Bot {
		return Exported{}, notExportable(TData, "bot", "Telegram Desktop has no bot accounts", "export in another format")
	}
	if s.Test {
		return Exported{}, notExportable(TData, "test", "the environment stands in a file that Telegram Desktop fills from its server and that is not written here",
			"export in another format")
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	files, err := tdFiles(s, o)
	if err != nil {
		return Exported{}, notExportable(TData, "folder", "cannot be sealed: "+err.Error(), "try again")
	}
	data, err := zipFiles(files)
	if err != nil {
		return Exported{}, notExportable(TData, "zip", "cannot be written", "try again")
	}
	return Exported{Data: data, Notes: s.addressNote()}, nil
}

// tdFiles are the files of the folder by name.
func tdFiles(s Session, o Options) (map[string][]byte, error) {
	random := make([]byte, 256+tdSaltSize)
	if _, err := io.ReadFull(o.Rand, random); err != nil {
		return nil, err
	}
	localKey, salt := random[:256], random[256:]
	wrap, err := tdPasscodeKey(o.Passcode, salt)
	if err != nil {
		return nil, err
	}
	var sealErr error
	seal := func(plain, key []byte) []byte {
		b, err := tdEncrypt(plain, key, o.Rand)
		sealErr = errors.Join(sealErr, err)
		return appendQt(nil, b)
	}

	info := binary.BigEndian.AppendUint32(nil, 1) // accounts
	info = binary.BigEndian.AppendUint32(info, 0) // their indexes
	info = binary.BigEndian.AppendUint32(info, 0) // the active one

	auth := bytes.Repeat([]byte{0xff}, 8) // wide ids follow
	auth = binary.BigEndian.AppendUint64(auth, uint64(s.UserID))
	auth = binary.BigEndian.AppendUint32(auth, uint32(s.HomeDC))
	auth = binary.BigEndian.AppendUint32(auth, uint32(len(s.Keys)))
	for _, dc := range slices.Sorted(maps.Keys(s.Keys)) {
		key := s.Keys[dc].Key
		auth = binary.BigEndian.AppendUint32(auth, uint32(dc))
		auth = append(auth, key[:]...)
	}
	auth = binary.BigEndian.AppendUint32(auth, 0) // keys to destroy
	block := binary.BigEndian.AppendUint32(nil, tdBlockMTPAuth)
	block = appendQt(block, auth)

	name := tdFileName(0)
	noLegacy := appendQt(appendQt(nil, nil), nil) // salt and key of releases before 2.0
	files := map[string][]byte{
		"key_datas":    tdf(slices.Concat(appendQt(nil, salt), seal(localKey, wrap), seal(info, localKey))),
		name + "s":     tdf(seal(block, localKey)),
		name + "/maps": tdf(append(noLegacy, seal(nil, localKey)...)),
	}
	return files, sealErr
}

// tdf frames contents as a file.
func tdf(contents []byte) []byte {
	version := binary.LittleEndian.AppendUint32(nil, tdVersion)
	sum := tdfSum(contents, version)
	return slices.Concat(tdfMagic, version, contents, sum[:])
}

func appendQt(b, v []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...)
}

// OpenFolder opens a zip as a folder: one made by PackFolder or Export, or by hand. An
// exported one is laid out with os.CopyFS.
func OpenFolder(data []byte) (fs.FS, error) {
	if len(data) > maxText {
		return nil, invalid(TData, "zip", "larger than %d bytes", maxText).
			WithRemedy("leave the caches out: key_data*, the files with 16 letters and their config* are enough")
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, invalid(TData, "zip", "cannot be opened")
	}
	return z, nil
}

// tdNames are the files of a tdata folder that an import reads.
var tdNames = regexp.MustCompile(`^(key_data|[0-9A-F]{16}(/config)?)[s01]$`)

// PackFolder makes the zip for Import out of a tdata folder: only the few small files that an
// import reads, never caches or settings.
func PackFolder(folder fs.FS) ([]byte, error) {
	root, err := findTData(folder)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, pattern := range []string{"key_data?", "????????????????[s01]", "????????????????/config[s01]"} {
		names, err := fs.Glob(root, pattern)
		if err != nil {
			return nil, invalid(TData, "folder", "cannot be listed")
		}
		for _, name := range names {
			if !tdNames.MatchString(name) {
				continue
			}
			info, err := fs.Stat(root, name)
			if err != nil || !info.Mode().IsRegular() || info.Size() > maxTDFile {
				continue
			}
			if files[name], err = fs.ReadFile(root, name); err != nil {
				return nil, invalid(TData, name, "cannot be read")
			}
		}
	}
	data, err := zipFiles(files)
	if err != nil {
		return nil, invalid(TData, "zip", "cannot be written")
	}
	return data, nil
}

// zipFiles writes files in the order of their names.
func zipFiles(files map[string][]byte) ([]byte, error) {
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := z.Create(name)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(files[name]); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}
