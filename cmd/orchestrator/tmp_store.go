package main

import (
	"context"
	"crypto/cipher"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/sessionstore"
)

type tmpStore struct {
	mu sync.Mutex
	m  map[fleet.AccountID]*sessionstore.Record
}

func tmpStores(string, string) (sessionstore.Keyring, sessionstore.Store, error) {
	s := &tmpStore{m: map[fleet.AccountID]*sessionstore.Record{}}
	return s, s, nil
}
func (s *tmpStore) DataKey(ctx context.Context, id fleet.AccountID) (cipher.AEAD, error) {
	return chacha20poly1305.NewX(make([]byte, 32))
}
func (s *tmpStore) Shred(ctx context.Context, id fleet.AccountID) error { return nil }
func (s *tmpStore) Load(ctx context.Context, id fleet.AccountID) (*sessionstore.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.m[id]; ok {
		return r, nil
	}
	return nil, sessionstore.ErrNotFound
}
func (s *tmpStore) Save(ctx context.Context, fence fleet.Fence, rec *sessionstore.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.m[rec.Account] = rec
	return nil
}
func (s *tmpStore) ReplaceKey(ctx context.Context, fence fleet.Fence, rec *sessionstore.Record) error {
	return s.Save(ctx, fence, rec)
}
func (s *tmpStore) Delete(ctx context.Context, fence fleet.Fence, id fleet.AccountID) error {
	return nil
}
