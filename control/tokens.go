package control

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"strings"

	"connectrpc.com/connect"

	"github.com/telefleet/orchestrator/fleet"
	"github.com/telefleet/orchestrator/internal/loopback"
)

// Tokens are the bearer tokens that open the API, by their SHA-256: the tokens themselves are
// never stored.
type Tokens map[[sha256.Size]byte]string

// LoadTokens reads a file of one token a line: its name, a space, and the SHA-256 of the token in
// hex. Empty lines and lines that begin with # are skipped.
func LoadTokens(path string) (Tokens, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("api.tokens_file: %w", err)
	}
	tokens := Tokens{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		var sum [sha256.Size]byte
		if len(fields) != 2 || len(fields[1]) != hex.EncodedLen(len(sum)) {
			return nil, badToken(path, n)
		}
		if _, err := hex.Decode(sum[:], []byte(fields[1])); err != nil {
			return nil, badToken(path, n)
		}
		tokens[sum] = fields[0]
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("api.tokens_file: read %s: %w", path, err)
	}
	if len(tokens) == 0 {
		return nil, fleet.Errorf(fleet.CodeInvalidArgument, "TOKENS_INVALID", "api.tokens_file: holds no token (got %q)", path).
			WithRemedy("write one line: a name, a space, and the SHA-256 of a random token in hex")
	}
	return tokens, nil
}

func badToken(path string, line int) error {
	return fleet.Errorf(fleet.CodeInvalidArgument, "TOKENS_INVALID", "api.tokens_file: line %d is no token (got %q)", line, path).
		WithRemedy("write a name, a space, and the SHA-256 of the token in hex")
}

// allow reports whether a request carries one of the tokens. Comparing hashes of a secret tells
// nothing about it by its timing.
func (t Tokens) allow(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return false
	}
	_, ok = t[sha256.Sum256([]byte(token))]
	return ok
}

// guard lets through what may reach the API: with tokens, who has one; without, who addresses
// this machine by a loopback name, so that no web page reaches it through a name of its own.
func guard(next http.Handler, tokens Tokens) http.Handler {
	errs := connect.NewErrorWriter()
	refuse := func(w http.ResponseWriter, r *http.Request, err *fleet.Error) {
		if errs.IsSupported(r) {
			_ = errs.Write(w, r, toConnect(err))
			return
		}
		status := http.StatusForbidden
		if err.Code == fleet.CodeUnauthenticated {
			status = http.StatusUnauthorized
		}
		http.Error(w, err.Message, status)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case tokens != nil && !tokens.allow(r):
			refuse(w, r, fleet.Errorf(fleet.CodeUnauthenticated, "TOKEN_INVALID", "authorization: carries no valid token").
				WithRemedy("send the header Authorization: Bearer <token>"))
		case tokens == nil && !loopback.Host(hostOf(r.Host)):
			refuse(w, r, fleet.Errorf(fleet.CodePermissionDenied, "HOST_INVALID", "host: must be a loopback address (got %q)", r.Host).
				WithRemedy("call the API as 127.0.0.1 or localhost"))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// hostOf strips the port, and the brackets of IPv6.
func hostOf(hostport string) string {
	if i := strings.LastIndexByte(hostport, ':'); i >= 0 && !strings.HasSuffix(hostport, "]") {
		hostport = hostport[:i]
	}
	return strings.Trim(hostport, "[]")
}
