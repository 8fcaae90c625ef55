//go:build !linux

package transport

import "errors"

// pollSet cannot be opened here: connections never sleep.
type pollSet struct{}

func (s *pollSet) open() error              { return errors.ErrUnsupported }
func (s *pollSet) close() error             { return nil }
func (s *pollSet) watch(func(int32))        {}
func (s *pollSet) add(uintptr, int32) error { return errors.ErrUnsupported }
func (s *pollSet) arm(uintptr, int32) error { return errors.ErrUnsupported }
