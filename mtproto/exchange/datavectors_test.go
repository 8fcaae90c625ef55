package exchange

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// dataLines are the lines of a file of testdata that are no comments.
func dataLines(tb testing.TB, name string) []string {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestFactorPQVectors(t *testing.T) {
	for _, line := range dataLines(t, "pq.txt") {
		var pq, p, q uint64
		if _, err := fmt.Sscan(line, &pq, &p, &q); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if a, b, ok := factorPQ(pq); !ok || a != p || b != q {
			t.Errorf("%d gives %d * %d, %v; want %d * %d", pq, a, b, ok, p, q)
		}
	}
}

// TestFactorPQOfTDLib has the generator of TDLib's test: products of two of the primes below 100, the first five above
// 2^31 - 500,000, and the first five above 2^32 - 500,000, as far as they are below 2^63 and odd; and the squares, which
// TDLib factors and we refuse.
func TestFactorPQOfTDLib(t *testing.T) {
	var list []uint64
	from := func(n uint64, count int, below uint64) {
		for ; count > 0 && n < below; n++ {
			if isPrime(n) {
				list = append(list, n)
				count--
			}
		}
	}
	from(3, 100, 100)
	from(1<<31-500_000, 5, 1<<32)
	from(1<<32-500_000, 5, 1<<33)
	tried := 0
	for i, p := range list {
		if _, _, ok := factorPQ(p * p); ok {
			t.Errorf("the square of %d was accepted", p)
		}
		for _, q := range list[i+1:] {
			if p > (1<<63-1)/q {
				continue
			}
			tried++
			if a, b, ok := factorPQ(p * q); !ok || a != p || b != q {
				t.Errorf("%d * %d gives %d * %d, %v", p, q, a, b, ok)
			}
		}
	}
	if tried < 300 {
		t.Fatalf("only %d products", tried)
	}
}

// TestH6PrimesThatAreNotSafe: a prime of the right length is not enough, and two less than each is no prime.
func TestH6PrimesThatAreNotSafe(t *testing.T) {
	lengths := map[int]int{}
	for _, line := range dataLines(t, "primes.txt") {
		p, ok := new(big.Int).SetString(line, 10)
		if !ok {
			t.Fatalf("no number: %q", line)
		}
		lengths[p.BitLen()]++
		if !p.ProbablyPrime(0) {
			t.Errorf("%d bits: no prime", p.BitLen())
		}
		for _, candidate := range []*big.Int{p, new(big.Int).Sub(p, big.NewInt(2))} {
			if err := CheckDH(4, candidate); !isCheck(err, CheckPrime) {
				t.Errorf("%d bits: %v", candidate.BitLen(), err)
			}
		}
	}
	if lengths[512] != 2 || lengths[1024] != 2 || lengths[2048] != 3 {
		t.Errorf("primes by length: %v", lengths)
	}
}

// TestKeysFromNonces: the AES key and vector of the answer, by the data of grammers.
func TestKeysFromNonces(t *testing.T) {
	v := readVectors(t, "nonces.txt")
	var m Machine
	for i := range m.newNonce {
		m.newNonce[i] = byte(i)
	}
	copy(m.serverNonce[:], m.newNonce[:])
	m.deriveTempKey()
	if !bytes.Equal(m.tmpKey[:], v["grammers_key"]) || !bytes.Equal(m.tmpIV[:], v["grammers_iv"]) {
		t.Errorf("grammers: key %x iv %x", m.tmpKey, m.tmpIV)
	}
}

// TestH9NonceHashVectors: the three hashes that end an exchange, by grammers' data.
func TestH9NonceHashVectors(t *testing.T) {
	v := readVectors(t, "nonces.txt")
	var key [256]byte
	for i := range key {
		key[i] = byte(i)
	}
	sum := sha1.Sum(key[:])
	if !bytes.Equal(sum[:8], v["grammers_aux_hash"]) || !bytes.Equal(sum[12:], v["grammers_auth_key_id"]) {
		t.Errorf("hash of the key: %x", sum)
	}
	for number := byte(1); number <= 3; number++ {
		want := v[fmt.Sprintf("grammers_hash%d", number)]
		if got := nonceHash([32]byte(key[:32]), number, sum[:8]); !bytes.Equal(got[:], want) {
			t.Errorf("new_nonce_hash%d is %x, want %x", number, got, want)
		}
	}
}

// TestH3FactoringIsBounded: the effort is counted down, and when it is used up the answer is no. Without a bound a server
// could keep us busy.
func TestH3FactoringIsBounded(t *testing.T) {
	const pq = 1513098571 * 1780931429
	for _, effort := range []int{0, 1, 100} {
		left := effort
		if f := brent(pq, 1, &left); f != 1 && f != pq || left > 0 {
			t.Errorf("effort %d: factor %d, %d left", effort, f, left)
		}
	}
	left := pqEffort
	if f := brent(pq, 1, &left); pq%f != 0 || left >= pqEffort || left < pqEffort/2 {
		t.Errorf("factor %d with %d of %d left", f, left, pqEffort)
	}
}
