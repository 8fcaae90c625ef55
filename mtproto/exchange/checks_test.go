package exchange

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"testing"
	"time"
)

// refused runs an exchange that must end by a CheckError of the named check.
func refused(t *testing.T, s *server, check string) {
	t.Helper()
	res, err := s.run(Config{DC: 2})
	var ce *CheckError
	if !errors.As(err, &ce) || ce.Check != check || res != nil {
		t.Errorf("got %v, want a refusal by the check of %s", err, check)
	}
}

func TestExchange(t *testing.T) {
	s := newServer(t)
	res, err := s.run(Config{DC: 2})
	if err != nil {
		t.Fatal(err)
	}
	if res.Key != s.authKey {
		t.Error("the keys differ")
	}
	if res.TimeOffset != 7*time.Second {
		t.Errorf("time offset %v", res.TimeOffset)
	}
	if text := fmt.Sprintf("%v %+v %#v %x %s", *res, res, res, *res, res); strings.Contains(text, fmt.Sprintf("%x", res.Key[:4])) ||
		!strings.Contains(text, "redacted") {
		t.Errorf("a result prints as %s", text)
	}
}

// TestH1NoncesMustBeEchoed flips one bit in each nonce of each answer.
func TestH1NoncesMustBeEchoed(t *testing.T) {
	for name, tc := range map[string]struct{ answer, at int }{
		"resPQ nonce": {0, 4}, "resPQ nonce end": {0, 19},
		"params nonce": {1, 4}, "params server_nonce": {1, 35},
		"dh_gen_ok nonce": {2, 19}, "dh_gen_ok server_nonce": {2, 20},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.bendObject = map[int]func([]byte){tc.answer: func(b []byte) { b[tc.at] ^= 1 }}
			refused(t, s, CheckNonce)
		})
	}
	for _, answer := range []byte{2, 3} {
		s := newServer(t)
		s.answer = answer
		s.bendObject = map[int]func([]byte){2: func(b []byte) { b[25] ^= 0x80 }}
		refused(t, s, CheckNonce)
	}
	for _, at := range []int{4, 19, 20, 35} { // inside the encrypted answer, under a right hash
		s := newServer(t)
		s.bendPlain = func(plain []byte) []byte {
			plain[20+at] ^= 1
			return rehash(plain)
		}
		refused(t, s, CheckNonce)
	}
}

// rehash makes the hash of a bent answer right again.
func rehash(plain []byte) []byte {
	d := decoder{b: plain[20:]}
	d.take(36)
	d.u32()
	d.bytes()
	d.bytes()
	d.u32()
	sum := sha1Sum(plain[20 : len(plain)-len(d.b)])
	copy(plain, sum[:])
	return plain
}

func TestH2OnlyShippedKeys(t *testing.T) {
	s := newServer(t)
	s.fingerprints = []int64{1, 2, 3}
	refused(t, s, CheckRSAKey)
	s = newServer(t)
	s.fingerprints = nil
	refused(t, s, CheckRSAKey)
}

func TestH3PQMustBeTwoDifferentPrimes(t *testing.T) {
	big63 := func(f func(*big.Int)) []byte { x := new(big.Int).Lsh(big.NewInt(1), 63); f(x); return x.Bytes() }
	for name, pq := range map[string][]byte{
		"empty":         {},
		"zero":          {0},
		"one":           {1},
		"even":          minimalBytes(2 * 1513098571),
		"prime":         minimalBytes(9223372036854775783),
		"square":        minimalBytes(1513098571 * 1513098571),
		"three primes":  minimalBytes(1009 * 1013 * 1000003),
		"cube":          minimalBytes(1009 * 1009 * 1009),
		"nine bytes":    {0, 0x25, 0x65, 0x95, 0xed, 0xb7, 0x76, 0x67, 0x97},
		"2^63":          big63(func(*big.Int) {}),
		"just over":     big63(func(x *big.Int) { x.Add(x, big.NewInt(9)) }),
		"2^64 - 1":      bytes.Repeat([]byte{0xff}, 8),
		"two times two": {4},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.pq = pq
			refused(t, s, CheckPQ)
		})
	}
}

func TestFactorPQ(t *testing.T) {
	var list []uint64
	for _, from := range []uint64{3, 1<<10 + 1, 1<<16 + 1, 1<<20 + 1, 1<<31 - 100_001, 1<<31 + 1} {
		for n, found := from, 0; found < 4; n += 2 {
			if isPrime(n) {
				list, found = append(list, n), found+1
			}
		}
	}
	for i, p := range list {
		for _, q := range list[i+1:] {
			if hi := p * q / q; hi != p || p*q >= 1<<63 {
				continue
			}
			if a, b, ok := factorPQ(p * q); !ok || a != p || b != q {
				t.Errorf("%d * %d gives %d * %d, %v", p, q, a, b, ok)
			}
		}
	}
}

func TestH4RSAPadLimits(t *testing.T) {
	key := &serverKey().PublicKey
	if _, err := rsaPad(make([]byte, 145), key, rand.Reader); !errors.Is(err, errDataTooLong) {
		t.Errorf("145 bytes: %v", err)
	}
	for _, n := range []int{0, 1, 104, 144} {
		if b, err := rsaPad(make([]byte, n), key, rand.Reader); err != nil || len(b) != 256 {
			t.Errorf("%d bytes: %d bytes, %v", n, len(b), err)
		}
	}
	// A modulus of 2048 bits that is almost always too small for the block, as if temp_key never fitted.
	small := &rsa.PublicKey{N: new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 1024), big.NewInt(1)), E: 65537}
	if _, err := rsaPad(nil, small, rand.Reader); err == nil {
		t.Error("a block above the modulus was accepted")
	}
	for name, keys := range map[string][]*rsa.PublicKey{"none": {}, "nil": {nil}, "short": {small}} {
		if _, err := New(Config{Keys: keys}).Step(testNow, Start{}); !errors.Is(err, ErrKeys) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestH5AnswerHash(t *testing.T) {
	for _, at := range []int{0, 19, 20, 30, 60, 300, 560, 583} {
		s := newServer(t)
		s.bendPlain = func(b []byte) []byte { b[at] ^= 1; return b }
		refused(t, s, CheckAnswer)
	}
	for name, bend := range map[string]func([]byte) []byte{
		"16 bytes of padding too many": func(b []byte) []byte { return append(b, make([]byte, 16)...) },
		"cut":                          func(b []byte) []byte { return b[:len(b)-32] },
		"one block":                    func(b []byte) []byte { return b[:16] },
		"empty":                        func(b []byte) []byte { return nil },
		"other constructor":            nil,
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.bendPlain = bend
			check := CheckAnswer
			if bend == nil {
				check = CheckEnvelope
				s.bendPlain = func(b []byte) []byte { b[20] ^= 1; return rehash(b) }
			}
			refused(t, s, check)
		})
	}
	s := newServer(t) // the ciphertext is no multiple of a block
	s.bendObject = map[int]func([]byte){1: func(b []byte) { b[37]-- }}
	refused(t, s, CheckAnswer)
}

// compositeHalf is a prime p of 2048 bits with g = 3 allowed, whose (p-1)/2 is composite.
func compositeHalf() *big.Int {
	p := new(big.Int).Set(knownPrime)
	for {
		p.Add(p, big.NewInt(12)) // keeps p mod 3 and p mod 4
		if p.ProbablyPrime(0) && !new(big.Int).Rsh(p, 1).ProbablyPrime(0) {
			return p
		}
	}
}

func TestH6PrimeMustBeSafe(t *testing.T) {
	add := func(d int64) *big.Int { return new(big.Int).Add(knownPrime, big.NewInt(d)) }
	bent := map[string]*big.Int{
		"composite":      add(12),
		"even":           add(3),
		"2047 bits":      new(big.Int).Rsh(knownPrime, 1),
		"2049 bits":      new(big.Int).Lsh(knownPrime, 1),
		"2^2047":         new(big.Int).Lsh(big.NewInt(1), 2047),
		"small prime":    big.NewInt(47),
		"zero":           new(big.Int),
		"composite half": compositeHalf(),
	}
	for name, p := range bent {
		t.Run(name, func(t *testing.T) {
			if err := CheckDH(4, p); !isCheck(err, CheckPrime) {
				t.Errorf("CheckDH: %v", err)
			}
			s := newServer(t)
			s.g, s.prime = 4, p
			s.ga = new(big.Int).Lsh(big.NewInt(1), 2000)
			refused(t, s, CheckPrime)
		})
	}
}

func isCheck(err error, check string) bool {
	var ce *CheckError
	return errors.As(err, &ce) && ce.Check == check
}

func TestKnownPrimeIsSafe(t *testing.T) {
	if err := checkSafePrime(knownPrime); err != nil {
		t.Error(err)
	}
}

// safePrime is the group 14 of RFC 3526: a safe prime of 2048 bits that is not in the table.
func safePrime() *big.Int {
	p, _ := new(big.Int).SetString("FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"+
		"EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"+
		"EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F"+
		"83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"+
		"E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510"+
		"15728E5A8AACAA68FFFFFFFFFFFFFFFF", 16)
	return p
}

func TestCheckedPrimesAreRemembered(t *testing.T) {
	p := safePrime()
	primes.Store(nil)
	t.Cleanup(func() { primes.Store(nil) })
	if remembered(p) {
		t.Fatal("known before")
	}
	if err := CheckDH(2, p); err != nil {
		t.Fatal(err)
	}
	if !remembered(p) {
		t.Error("not remembered")
	}
	if err := CheckDH(8, new(big.Int).Set(p)); err == nil {
		t.Error("g = 8 accepted for a remembered prime")
	}
	for i := range int64(3 * maxPrimes) {
		remember(big.NewInt(i))
	}
	if n := len(*primes.Load()); n != maxPrimes {
		t.Errorf("%d primes remembered", n)
	}
}

func TestH7Generator(t *testing.T) {
	allowed := map[int]bool{3: true, 4: true, 7: true}
	for g := -1; g <= 10; g++ {
		err := CheckDH(g, knownPrime)
		if allowed[g] != (err == nil) || (err != nil && !isCheck(err, CheckGenerator)) {
			t.Errorf("g = %d: %v", g, err)
		}
	}
	for _, g := range []uint32{0, 1, 2, 5, 6, 8, 1 << 31} {
		s := newServer(t)
		s.g, s.ga = g, new(big.Int).Lsh(big.NewInt(1), 2000)
		refused(t, s, CheckGenerator)
	}
	// The cases of the grammers client's test_check_p_and_g that depend on g.
	for _, tc := range []struct {
		p  int64
		g  int
		ok bool
	}{{11, 2, false}, {23, 2, true}, {13, 3, false}, {47, 3, true}, {11, 4, true}, {13, 5, false}, {11, 5, true}, {179, 5, true},
		{13, 6, false}, {383, 6, true}, {479, 7, true}, {383, 7, true}, {503, 7, true}} {
		if err := checkGenerator(tc.g, big.NewInt(tc.p)); (err == nil) != tc.ok {
			t.Errorf("p = %d, g = %d: %v", tc.p, tc.g, err)
		}
	}
}

// TestGeneratorAgreesWithEuler compares the reciprocity rules with Euler's criterion on small safe primes.
func TestGeneratorAgreesWithEuler(t *testing.T) {
	for n := int64(11); n < 6000; n += 2 {
		p := big.NewInt(n)
		half := new(big.Int).Rsh(p, 1)
		if !p.ProbablyPrime(0) || !half.ProbablyPrime(0) {
			continue
		}
		for g := 2; g <= 7; g++ {
			residue := new(big.Int).Exp(big.NewInt(int64(g)), half, p).Cmp(big.NewInt(1)) == 0
			if (checkGenerator(g, p) == nil) != residue {
				t.Errorf("p = %d, g = %d: residue %v", n, g, residue)
			}
		}
	}
}

func TestH8PublicValueRange(t *testing.T) {
	p, one := knownPrime, big.NewInt(1)
	edge := new(big.Int).Lsh(one, 1984)
	top := new(big.Int).Sub(p, edge)
	for name, ga := range map[string]*big.Int{
		"0": new(big.Int), "1": one, "p-1": new(big.Int).Sub(p, one), "p": p,
		"2^1984-1": new(big.Int).Sub(edge, one), "p-2^1984+1": new(big.Int).Add(top, one),
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.ga = ga
			refused(t, s, CheckPublic)
		})
	}
	for _, x := range []*big.Int{edge, top} {
		if err := CheckRange(x, p); err != nil {
			t.Errorf("%x: %v", x, err)
		}
	}
	s := newServer(t)
	s.ga = new(big.Int).Lsh(one, 2048)
	refused(t, s, CheckPrime)
}

// TestH8OwnPublicValue: a b whose g_b leaves the safe range is drawn again, and not for ever.
func TestH8OwnPublicValue(t *testing.T) {
	m := &Machine{cfg: Config{Rand: io.MultiReader(bytes.NewReader(make([]byte, 256)), rand.Reader)}}
	m.g, m.prime = 3, knownPrime
	if _, gb, err := m.drawPublic(); err != nil || CheckRange(gb, knownPrime) != nil {
		t.Errorf("g_b %v, %v", gb, err)
	}
	m.cfg.Rand = bytes.NewReader(make([]byte, 1<<16))
	if _, _, err := m.drawPublic(); err == nil {
		t.Error("zeros as entropy gave a b")
	}
}

func TestH9NonceHashes(t *testing.T) {
	for answer := byte(1); answer <= 3; answer++ {
		for hash := byte(1); hash <= 3; hash++ {
			if hash == answer {
				continue
			}
			s := newServer(t)
			s.answer, s.hash = answer, hash
			refused(t, s, CheckNonceHash)
		}
	}
	s := newServer(t)
	s.bendObject = map[int]func([]byte){2: func(b []byte) { b[51] ^= 1 }}
	refused(t, s, CheckNonceHash)
	s = newServer(t)
	s.paramsFail = true
	s.bendObject = map[int]func([]byte){1: func(b []byte) { b[51] ^= 1 }}
	refused(t, s, CheckNonceHash)
}

func TestH9FailIsTheServersRefusal(t *testing.T) {
	for _, params := range []bool{true, false} {
		s := newServer(t)
		s.answer, s.paramsFail = 3, params
		_, err := s.run(Config{DC: 2})
		var re *RefusedError
		if !errors.As(err, &re) {
			t.Errorf("got %v", err)
		}
	}
}

func TestH9RetryCarriesTheHashOfTheFailedKey(t *testing.T) {
	s := newServer(t)
	s.retries = maxRetries
	var failed []uint64
	s.bendObject = map[int]func([]byte){}
	for i := range maxRetries {
		s.bendObject[2+i] = func([]byte) {
			sum := sha1Sum(s.authKey[:])
			failed = append(failed, binary.LittleEndian.Uint64(sum[:]))
		}
	}
	res, err := s.run(Config{DC: 2})
	if err != nil {
		t.Fatal(err)
	}
	if res.Key != s.authKey {
		t.Error("the keys differ")
	}
	if want := fmt.Sprint(append([]uint64{0}, failed...)); fmt.Sprint(s.retryIDs) != want {
		t.Errorf("retry ids %v, want %v", s.retryIDs, want)
	}
	s = newServer(t)
	s.retries = maxRetries + 1
	refused(t, s, CheckRetries)
}

// TestG11RetryTimeAndHashesAreDealtWith: what gotd v0.161.0 leaves out. dh_gen_retry leads to a key, the time comes from the
// server, and a retry or a refusal must prove itself as dh_gen_ok must.
func TestG11RetryTimeAndHashesAreDealtWith(t *testing.T) {
	s := newServer(t)
	s.retries, s.time = 1, uint32(testNow.Unix())+90
	res, err := s.run(Config{DC: 2})
	if err != nil || res.Key != s.authKey || res.TimeOffset != 90*time.Second {
		t.Errorf("after one retry: %v, %v", res, err)
	}
	for _, answer := range []byte{2, 3} {
		s := newServer(t)
		s.answer, s.hash = answer, 1
		refused(t, s, CheckNonceHash)
	}
}

// TestH10SecretsComeFromTheEntropy: with the source closed at any byte there is no exchange, and two exchanges with the
// same server bytes share nothing.
func TestH10SecretsComeFromTheEntropy(t *testing.T) {
	probe := &counting{r: rand.Reader}
	if _, err := newServer(t).run(Config{DC: 2, Rand: probe}); err != nil {
		t.Fatal(err)
	}
	if least := 16 + 32 + 92 + 32 + 256 + 12; probe.n < least {
		t.Errorf("%d bytes of entropy used, want at least %d", probe.n, least)
	}
	for _, n := range []int{0, 15, 16, 47, 48, 139, 140, 171} {
		if _, err := newServer(t).run(Config{DC: 2, Rand: io.LimitReader(rand.Reader, int64(n))}); err == nil {
			t.Errorf("an exchange worked with %d bytes of entropy", n)
		}
	}
	first, second := newServer(t), newServer(t)
	second.serverNonce = first.serverNonce
	a, err := first.run(Config{DC: 2})
	if err != nil {
		t.Fatal(err)
	}
	b, err := second.run(Config{DC: 2})
	if err != nil {
		t.Fatal(err)
	}
	if a.Key == b.Key || first.newNonce == second.newNonce || first.nonce == second.nonce {
		t.Error("two exchanges share secrets")
	}
}

type counting struct {
	r io.Reader
	n int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

func TestH11SaltIsTheNoncesXor(t *testing.T) {
	s := newServer(t)
	s.time = uint32(testNow.Unix()) - 3600
	res, err := s.run(Config{DC: 2})
	if err != nil {
		t.Fatal(err)
	}
	want := binary.LittleEndian.Uint64(s.newNonce[:]) ^ binary.LittleEndian.Uint64(s.serverNonce[:])
	if uint64(res.Salt) != want {
		t.Errorf("salt %x, want %x", uint64(res.Salt), want)
	}
	if res.TimeOffset != -time.Hour {
		t.Errorf("time offset %v", res.TimeOffset)
	}
}

func TestH12DCField(t *testing.T) {
	for _, tc := range []struct {
		id          int
		test, media bool
		want        int
	}{{2, false, false, 2}, {2, true, false, 10002}, {4, false, true, -4}, {3, true, true, -10003}} {
		if got := DCField(tc.id, tc.test, tc.media); got != tc.want {
			t.Errorf("DCField(%d, %v, %v) = %d", tc.id, tc.test, tc.media, got)
		}
		s := newServer(t)
		if _, err := s.run(Config{DC: tc.want}); err != nil {
			t.Fatal(err)
		}
		in := innerFields(s.inner)
		if in.id != idPQInnerDataDC || in.dc != int32(tc.want) {
			t.Errorf("inner data %+v", in)
		}
	}
}

type innerTail struct {
	id      uint32
	dc      int32
	expires uint32
}

func innerFields(b []byte) innerTail {
	d := decoder{b: b}
	id := d.u32()
	d.bytes()
	d.bytes()
	d.bytes()
	d.take(64)
	return innerTail{id, int32(d.u32()), d.u32()}
}

func TestTemporaryKey(t *testing.T) {
	s := newServer(t)
	res, err := s.run(Config{DC: 10002, TempExpiresIn: 86400})
	if err != nil {
		t.Fatal(err)
	}
	if in := innerFields(s.inner); in != (innerTail{idPQInnerDataTempDC, 10002, 86400}) || res.Key != s.authKey {
		t.Errorf("inner data %+v", in)
	}
}

func TestTransportErrors(t *testing.T) {
	for _, code := range []int32{-404, -429, -444} {
		m := New(Config{Keys: []*rsa.PublicKey{&serverKey().PublicKey}})
		mustStep(t, m, testNow, Start{})
		_, err := m.Step(testNow, Frame{Data: appendU32(nil, uint32(code))})
		var te *TransportError
		if !errors.As(err, &te) || te.Code != int(code) {
			t.Errorf("%d: %v", code, err)
		}
		if _, err := m.Step(testNow, Start{}); !errors.Is(err, ErrState) {
			t.Errorf("a failed machine started again: %v", err)
		}
	}
}

func TestInputsThatDoNotFit(t *testing.T) {
	m := New(Config{Keys: []*rsa.PublicKey{&serverKey().PublicKey}})
	if _, err := m.Step(testNow, Frame{}); !errors.Is(err, ErrState) {
		t.Errorf("a frame before Start: %v", err)
	}
	m = New(Config{Keys: []*rsa.PublicKey{&serverKey().PublicKey}})
	mustStep(t, m, testNow, Start{})
	if _, err := m.Step(testNow, Start{}); !errors.Is(err, ErrState) {
		t.Errorf("a second Start: %v", err)
	}
	if _, err := m.Step(testNow, nil); !errors.Is(err, ErrState) {
		t.Errorf("nil: %v", err)
	}
}

// TestBrokenEnvelopes gives each kind of broken message in each state.
func TestBrokenEnvelopes(t *testing.T) {
	for name, bend := range map[string]func([]byte) []byte{
		"empty":            func([]byte) []byte { return nil },
		"cut header":       func(b []byte) []byte { return b[:19] },
		"encrypted":        func(b []byte) []byte { b[7] = 1; return b },
		"length too large": func(b []byte) []byte { binary.LittleEndian.PutUint32(b[16:], uint32(len(b))); return b },
		"negative length":  func(b []byte) []byte { binary.LittleEndian.PutUint32(b[16:], 1<<31); return b },
		"no body":          func(b []byte) []byte { binary.LittleEndian.PutUint32(b[16:], 0); return b },
		"cut body":         func(b []byte) []byte { binary.LittleEndian.PutUint32(b[16:], 37); return b },
		"other object":     func(b []byte) []byte { b[20] ^= 0xff; return b },
	} {
		for step := range 3 {
			t.Run(fmt.Sprint(name, " ", step), func(t *testing.T) {
				s := newServer(t)
				m := New(Config{Keys: []*rsa.PublicKey{&s.key.PublicKey}, DC: 2})
				e := mustStep(t, m, testNow, Start{})
				for range step {
					e = mustStep(t, m, testNow, s.handle(e.Write[0]))
				}
				_, err := m.Step(testNow, Frame{Data: bend(s.handle(e.Write[0]).Data)})
				if !isCheck(err, CheckEnvelope) {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}
