package eventlog

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// freeSpace is what an ordinary user may still write at dir, in bytes.
func freeSpace(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return st.Bavail * uint64(st.Bsize), nil
}

// checkSpace runs before each append: statfs costs about a microsecond.
func (l *Log) checkSpace() error {
	if l.cfg.MinFree < 0 || l.cfg.Dir == "" {
		return nil
	}
	free, err := l.cfg.FreeSpace(l.cfg.Dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLowSpace, err) // unknown counts as none
	}
	if free < uint64(l.cfg.MinFree) {
		return fmt.Errorf("%w: %d bytes free in %s, need %d; free some space", ErrLowSpace, free, l.cfg.Dir, l.cfg.MinFree)
	}
	return nil
}
