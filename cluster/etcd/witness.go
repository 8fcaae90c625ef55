package etcd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/telefleet/orchestrator/cluster"
	"github.com/telefleet/orchestrator/fleet"
)

const (
	witnessFile = "witness.json"
	// witnessInterval bounds how often the file is written. A backup younger than that is
	// not told from the original, and is as good.
	witnessInterval = 10 * time.Second
)

// WitnessConfig of OpenWitness.
type WitnessConfig struct {
	// Dir is the data directory.
	Dir string
	// ClusterID is the cluster_id of the configuration.
	ClusterID string
	// Prefix as in Config.
	Prefix string
	// Machine is an id of this machine that a copied data directory will not match (see
	// MachineID); empty binds none.
	Machine string
	// Accept takes etcd and machine as they are, because an operator has confirmed it.
	Accept bool
}

// witnessed is what the file holds.
type witnessed struct {
	ClusterID string `json:"cluster_id"`
	// Etcd is etcd's own cluster id, in hexadecimal.
	Etcd string `json:"etcd_cluster_id"`
	// Revision is the highest one that was seen.
	Revision int64  `json:"revision"`
	Machine  string `json:"machine,omitempty"`
}

// Witness remembers outside etcd which etcd this node belongs to and how far it was. An
// etcd that was lost, or restored from an old backup, would hand out tokens and sessions a
// second time: it is refused until an operator confirms it.
type Witness struct {
	cfg  WitnessConfig
	path string

	mu      sync.Mutex
	known   witnessed
	written time.Time // when known was last stored
}

// OpenWitness reads the witness file; a missing one is made at the first Check. ErrWrongCluster
// when it was written on another machine or for another cluster_id.
func OpenWitness(cfg WitnessConfig) (*Witness, error) {
	w := &Witness{cfg: cfg, path: filepath.Join(cfg.Dir, witnessFile)}
	if cfg.Accept {
		return w, nil
	}
	b, err := os.ReadFile(w.path)
	if errors.Is(err, os.ErrNotExist) {
		return w, nil
	}
	if err != nil {
		return nil, fmt.Errorf("data_dir: read witness: %w", err)
	}
	if err := json.Unmarshal(b, &w.known); err != nil {
		return nil, wrongCluster("data_dir: %s is damaged (%v)", w.path, err)
	}
	if w.known.ClusterID != cfg.ClusterID {
		return nil, wrongCluster("cluster_id: the data directory belongs to cluster %q (got %q)", w.known.ClusterID, cfg.ClusterID)
	}
	if w.known.Machine != "" && cfg.Machine != "" && w.known.Machine != cfg.Machine {
		return nil, wrongCluster("data_dir: %s was written on another machine; if that one still runs, both would use the same auth keys", cfg.Dir)
	}
	return w, nil
}

// MachineID is the host's id from /etc/machine-id, empty where there is none.
func MachineID() string {
	b, err := os.ReadFile("/etc/machine-id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// Check compares etcd with what is known: its cluster id, a revision that has not gone
// back, and the cluster_id that it was set up for. The first time it records them.
func (w *Witness) Check(ctx context.Context, client *clientv3.Client) error {
	key := keys{w.cfg.Prefix}.cluster()
	resp, err := client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(key), ">", 0)).
		Then(clientv3.OpGet(key)).Commit()
	if err != nil {
		return fmt.Errorf("read cluster id: %w", err)
	}
	if err := w.compare(resp.Header); err != nil {
		return err
	}
	if !resp.Succeeded {
		put, err := client.Txn(ctx).
			If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
			Then(clientv3.OpPut(key, w.cfg.ClusterID)).
			Else(clientv3.OpGet(key)).Commit()
		if err != nil {
			return fmt.Errorf("store cluster id: %w", err)
		}
		resp = put
	}
	if get := resp.Responses[0].GetResponseRange(); get != nil && len(get.Kvs) > 0 && string(get.Kvs[0].Value) != w.cfg.ClusterID {
		return wrongCluster("cluster_id: this etcd belongs to cluster %q (got %q)", get.Kvs[0].Value, w.cfg.ClusterID)
	}
	return w.store(resp.Header)
}

// compare refuses another etcd and one that is older than known.
func (w *Witness) compare(h *pb.ResponseHeader) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.known.Etcd == "" {
		return nil
	}
	if id := fmt.Sprintf("%x", h.ClusterId); id != w.known.Etcd {
		return wrongCluster("etcd: its cluster id is %s, this node knows %s: it was set up anew or is another one", id, w.known.Etcd)
	}
	if h.Revision < w.known.Revision {
		return wrongCluster("etcd: its revision is %d, this node has seen %d: it was restored from an old backup", h.Revision, w.known.Revision)
	}
	return nil
}

// observe notes a newer revision and stores it now and then.
func (w *Witness) observe(h *pb.ResponseHeader) error {
	w.mu.Lock()
	due := h.Revision > w.known.Revision && time.Since(w.written) >= witnessInterval
	w.mu.Unlock()
	if !due {
		return nil
	}
	return w.store(h)
}

// last notes the revision at which a node leaves the etcd that it knows.
func (w *Witness) last(h *pb.ResponseHeader) error {
	w.mu.Lock()
	newer := w.known.Etcd == fmt.Sprintf("%x", h.ClusterId) && h.Revision > w.known.Revision
	w.mu.Unlock()
	if !newer {
		return nil
	}
	return w.store(h)
}

func (w *Witness) store(h *pb.ResponseHeader) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known = witnessed{
		ClusterID: w.cfg.ClusterID, Machine: w.cfg.Machine,
		Etcd: fmt.Sprintf("%x", h.ClusterId), Revision: h.Revision,
	}
	w.written = time.Now()
	if err := writeFile(w.path, []byte(encode(w.known)+"\n")); err != nil {
		return fmt.Errorf("data_dir: write witness: %w", err)
	}
	return nil
}

func wrongCluster(format string, args ...any) error {
	return fleet.Errorf(cluster.ErrWrongCluster.Code, cluster.ErrWrongCluster.Reason, format, args...).
		WithRemedy("check the configuration; if this is meant, stop every other node that uses these accounts and start once with --accept-restored")
}
