package etcd

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Settings keeps small values that all nodes share and any of them may replace, such as the
// addresses of Telegram's DCs.
type Settings struct {
	client *clientv3.Client
	prefix string
}

// NewSettings makes Settings over keys with the prefix that Config.Prefix names.
func NewSettings(client *clientv3.Client, prefix string) *Settings {
	return &Settings{client: client, prefix: prefix + "settings/"}
}

// Get reads a value; nil when there is none.
func (s *Settings) Get(ctx context.Context, name string) ([]byte, error) {
	resp, err := s.client.Get(ctx, s.prefix+name)
	if err != nil {
		return nil, fmt.Errorf("read setting %s: %w", name, err)
	}
	if len(resp.Kvs) == 0 {
		return nil, nil
	}
	return resp.Kvs[0].Value, nil
}

// Put replaces a value, unless it is so already: many nodes learn the same at once.
func (s *Settings) Put(ctx context.Context, name string, value []byte) error {
	key := s.prefix + name
	_, err := s.client.Txn(ctx).
		If(clientv3.Compare(clientv3.Value(key), "=", string(value))).
		Else(clientv3.OpPut(key, string(value))).Commit()
	if err != nil {
		return fmt.Errorf("store setting %s: %w", name, err)
	}
	return nil
}
