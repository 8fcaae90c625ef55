package simulator_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"go.uber.org/goleak"

	"github.com/telefleet/orchestrator/simulator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func splitAddr(t *testing.T, addr string) (string, int) {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return host, n
}

func TestDCFileNamesEveryDCAndItsKey(t *testing.T) {
	_, sim := startSimulator(t, simulator.Config{})
	path := filepath.Join(t.TempDir(), "dcs.json")
	if err := sim.WriteDCFile(path); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file simulator.DCFile
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.DCs) != 3 || len(file.PublicKeys) != 3 {
		t.Fatalf("got %d DCs and %d keys, want 3 and 3", len(file.DCs), len(file.PublicKeys))
	}
	for i, dc := range file.DCs {
		if dc.Addr != sim.DCs()[i].Addr || dc.ID != i+1 {
			t.Errorf("DC %d: got %+v", i+1, dc)
		}
		block, _ := pem.Decode([]byte(file.PublicKeys[i]))
		if block == nil {
			t.Fatalf("key %d is no PEM", i)
		}
		key, err := x509.ParsePKCS1PublicKey(block.Bytes)
		if err != nil || !key.Equal(sim.DCs()[i].Key) {
			t.Errorf("key %d: not the DC's key (%v)", i, err)
		}
	}
}

func TestBadSpecsAreRefused(t *testing.T) {
	_, sim := startSimulator(t, simulator.Config{DCs: []int{4}})
	good := simulator.UserSpec{Phone: "15550001", FirstName: "Ann", Username: "annie"}
	addUser(t, sim, good)
	for name, spec := range map[string]simulator.UserSpec{
		"phone taken":    {Phone: "+15550001", FirstName: "Eve"},
		"phone":          {Phone: "abc", FirstName: "Eve"},
		"first name":     {Phone: "15550002"},
		"username taken": {Phone: "15550003", FirstName: "Eve", Username: "ANNIE"},
		"home DC":        {Phone: "15550004", FirstName: "Eve", HomeDC: 9},
	} {
		if _, err := sim.AddUser(spec); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
