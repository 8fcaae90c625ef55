package methods

import (
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"strings"

	"google.golang.org/protobuf/proto"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/convert"
	"github.com/telefleet/orchestrator/fleet"
)

// Limits of account resources.
const (
	maxLabels       = 32
	maxLabelLength  = 63
	maxDC           = 1000 // test DCs and simulators may count higher than Telegram's 5
	defaultPageSize = 100
	maxPageSize     = 1000
)

func createAccount(ctx context.Context, host *Host, req *v1.CreateAccountRequest) (*v1.CreateAccountReply, error) {
	if err := fleet.AccountID(req.GetId()).Validate(); err != nil {
		return nil, err
	}
	if err := checkLabels(req.GetLabels()); err != nil {
		return nil, err
	}
	if err := checkSpec(req.GetSpec()); err != nil {
		return nil, err
	}
	account := &v1.Account{Id: req.GetId(), Labels: req.GetLabels(), Spec: req.GetSpec()}
	if account.Spec == nil {
		account.Spec = &v1.AccountSpec{}
	}
	stored, err := host.Accounts.Create(ctx, account)
	if errors.Is(err, &fleet.Error{Reason: "ACCOUNT_EXISTS"}) && CommandOf(ctx).Resumed() {
		stored, err = asWanted(ctx, host, account, err)
	}
	if err != nil {
		return nil, err
	}
	return &v1.CreateAccountReply{Account: stored}, nil
}

// asWanted is the account that a resumed command finds, when it is what the command was to make of
// it; else its refusal, which says nothing about an earlier attempt.
func asWanted(ctx context.Context, host *Host, wanted *v1.Account, refusal error) (*v1.Account, error) {
	found, err := host.Accounts.Get(ctx, fleet.AccountID(wanted.GetId()))
	if err != nil {
		return nil, err
	}
	if !maps.Equal(found.GetLabels(), wanted.GetLabels()) || !proto.Equal(found.GetSpec(), wanted.GetSpec()) {
		return nil, unknownOutcome(refusal)
	}
	return found, nil
}

func getAccount(ctx context.Context, host *Host, req *v1.GetAccountRequest) (*v1.GetAccountReply, error) {
	id := fleet.AccountID(req.GetId())
	if err := id.Validate(); err != nil {
		return nil, err
	}
	account, err := host.Accounts.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return &v1.GetAccountReply{Account: account}, nil
}

func listAccounts(ctx context.Context, host *Host, req *v1.ListAccountsRequest) (*v1.ListAccountsReply, error) {
	match, err := parseSelector(req.GetSelector())
	if err != nil {
		return nil, err
	}
	size := int(req.GetPageSize())
	switch {
	case size < 0 || size > maxPageSize:
		return nil, convert.Invalid("page_size", "ask for further pages with page_token", "must be 0 to %d (got %d)", maxPageSize, size)
	case size == 0:
		size = defaultPageSize
	}
	version, after, err := parsePageToken(req.GetPageToken())
	if err != nil {
		return nil, err
	}
	// one more than wanted tells whether there is a next page
	list, version, err := host.Accounts.List(ctx, ListOptions{After: after, Limit: size + 1, Match: match, Version: version})
	if err != nil {
		return nil, err
	}
	reply := &v1.ListAccountsReply{Accounts: list, ResourceVersion: version}
	if len(list) > size {
		reply.Accounts = list[:size]
		reply.NextPageToken = pageToken(version, list[size-1].GetId())
	}
	return reply, nil
}

// A page token is the resource version of the list and the last id of the page.
func pageToken(version, last string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(version + "/" + last))
}

func parsePageToken(token string) (version string, after fleet.AccountID, err error) {
	if token == "" {
		return "", "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	version, last, ok := strings.Cut(string(raw), "/")
	if err != nil || !ok {
		return "", "", convert.Invalid("page_token", "give next_page_token of the former page, unchanged", "is no token (got %q)", token)
	}
	return version, fleet.AccountID(last), nil
}

func checkSpec(spec *v1.AccountSpec) error {
	if dc := spec.GetDc(); dc < 0 || dc > maxDC {
		return convert.Invalid("spec.dc", "use 0 for the default", "must be 0 to %d (got %d)", maxDC, dc)
	}
	if spec.GetDisconnected() && !spec.GetPaused() {
		return convert.Invalid("spec.disconnected", "set spec.paused, too, or resume the account", "is only for paused accounts (got true)")
	}
	return nil
}

func checkLabels(labels map[string]string) error {
	if len(labels) > maxLabels {
		return convert.Invalid("labels", "drop some", "must be at most %d (got %d)", maxLabels, len(labels))
	}
	for key, value := range labels {
		if !validLabel(key) || key == "" {
			return convert.Invalid("labels", "use letters, digits, . - _ and /", "has the invalid key %q", key)
		}
		if !validLabel(value) {
			return convert.Invalid("labels."+key, "use letters, digits, . - _ and /", "is invalid (got %q)", value)
		}
	}
	return nil
}

func validLabel(s string) bool {
	for _, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && !strings.ContainsRune(".-_/", r) {
			return false
		}
	}
	return len(s) <= maxLabelLength
}

// parseSelector reads comma-separated `key=value`, `key!=value`, `key`, `!key`; nil for all.
func parseSelector(text string) (func(map[string]string) bool, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil // no selector selects all
	}
	var terms []func(map[string]string) bool
	for term := range strings.SplitSeq(text, ",") {
		term = strings.TrimSpace(term)
		key, value, pair := strings.Cut(term, "=")
		wanted := true
		if pair {
			key, value = strings.TrimSpace(key), strings.TrimSpace(strings.TrimPrefix(value, "="))
			if rest, negated := strings.CutSuffix(key, "!"); negated {
				key, wanted = strings.TrimSpace(rest), false
			}
		} else if rest, negated := strings.CutPrefix(term, "!"); negated {
			key, wanted = strings.TrimSpace(rest), false
		}
		if key == "" || !validLabel(key) || !validLabel(value) {
			return nil, convert.Invalid("selector", "write key=value, key!=value, key or !key, separated by commas", "has the invalid term %q", term)
		}
		terms = append(terms, func(labels map[string]string) bool {
			got, has := labels[key]
			return (has && (!pair || got == value)) == wanted
		})
	}
	return func(labels map[string]string) bool {
		for _, term := range terms {
			if !term(labels) {
				return false
			}
		}
		return true
	}, nil
}
