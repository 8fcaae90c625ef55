package methods

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	v1 "github.com/telefleet/orchestrator/api/orchestrator/v1"
	"github.com/telefleet/orchestrator/control/convert"
	"github.com/telefleet/orchestrator/fleet"
)

// shelf is Accounts in memory, with optimistic concurrency. busy makes so many updates meet a
// change by somebody else.
type shelf struct {
	accounts map[string]*v1.Account
	version  int
	busy     int
	lists    []ListOptions
}

func newShelf(n int) *shelf {
	s := &shelf{accounts: map[string]*v1.Account{}}
	for i := range n {
		s.version++
		id := fmt.Sprintf("a%04d", i)
		s.accounts[id] = &v1.Account{
			Id: id, Labels: map[string]string{"n": strconv.Itoa(i % 2)}, Spec: &v1.AccountSpec{App: "web"},
			ResourceVersion: strconv.Itoa(s.version), Generation: 1,
		}
	}
	return s
}

func (s *shelf) Create(context.Context, *v1.Account) (*v1.Account, error) {
	return nil, errors.ErrUnsupported
}

func (s *shelf) Get(_ context.Context, id fleet.AccountID) (*v1.Account, error) {
	if a := s.accounts[string(id)]; a != nil {
		return proto.CloneOf(a), nil
	}
	return nil, fleet.Errorf(fleet.CodeNotFound, "ACCOUNT_UNKNOWN", "account: there is none of this name (got %q)", id)
}

func (s *shelf) List(_ context.Context, o ListOptions) ([]*v1.Account, string, error) {
	s.lists = append(s.lists, o)
	var out []*v1.Account
	for _, a := range s.accounts {
		if a.GetId() > string(o.After) && (o.Match == nil || o.Match(a.GetLabels())) {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b *v1.Account) int {
		if a.GetId() < b.GetId() {
			return -1
		}
		return 1
	})
	return out[:min(len(out), o.Limit)], "77", nil
}

func (s *shelf) Update(_ context.Context, a *v1.Account) (*v1.Account, error) {
	old := s.accounts[a.GetId()]
	if s.busy > 0 {
		s.busy--
		s.version++
		old.ResourceVersion = strconv.Itoa(s.version)
	}
	if old.GetResourceVersion() != a.GetResourceVersion() {
		return nil, fleet.Errorf(fleet.CodeAborted, "CONFLICT", "account: changed").WithRemedy("read it again")
	}
	s.version++
	stored := proto.CloneOf(a)
	stored.ResourceVersion, stored.Generation = strconv.Itoa(s.version), old.GetGeneration()+1
	s.accounts[a.GetId()] = stored
	return stored, nil
}

func (s *shelf) Delete(_ context.Context, id fleet.AccountID, _ string) (bool, error) {
	delete(s.accounts, string(id))
	return true, nil
}

func reason(err error) string {
	var e *fleet.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return fmt.Sprint(err)
}

func TestUpdateTakesOverWhatTheMaskNames(t *testing.T) {
	for name, c := range map[string]struct {
		mask   []string
		app    string
		paused bool
		labels int
	}{
		"nothing named: all of it": {nil, "", true, 0},
		"one field":                {[]string{"spec.paused"}, "web", true, 1},
		"the whole spec":           {[]string{"spec"}, "", true, 1},
		"labels":                   {[]string{"labels"}, "web", false, 0},
	} {
		s := newShelf(1)
		reply, err := updateAccount(t.Context(), &Host{Accounts: s}, &v1.UpdateAccountRequest{
			Resource:   &v1.Account{Id: "a0000", ResourceVersion: "1", Spec: &v1.AccountSpec{Paused: true}},
			UpdateMask: &fieldmaskpb.FieldMask{Paths: c.mask},
		})
		a := reply.GetAccount()
		if err != nil || a.GetSpec().GetApp() != c.app || a.GetSpec().GetPaused() != c.paused || len(a.GetLabels()) != c.labels {
			t.Errorf("%s: %v, %v", name, a, err)
		}
	}
}

func TestUpdatesThatCannotBeAreRefused(t *testing.T) {
	good := func() *v1.Account { return &v1.Account{Id: "a0000", ResourceVersion: "1"} }
	for want, change := range map[string]func(*v1.UpdateAccountRequest){
		"ACCOUNT_ID_INVALID": func(r *v1.UpdateAccountRequest) { r.Resource.Id = "A" },
		"ACCOUNT_UNKNOWN":    func(r *v1.UpdateAccountRequest) { r.Resource.Id = "b" },
		"CONFLICT":           func(r *v1.UpdateAccountRequest) { r.Resource.ResourceVersion = "0" },
		"FIELD_INVALID":      func(r *v1.UpdateAccountRequest) { r.Resource.ResourceVersion = "" },
		"FIELD_INVALID ":     func(r *v1.UpdateAccountRequest) { r.UpdateMask.Paths = []string{"status.state"} },
		"FIELD_INVALID  ":    func(r *v1.UpdateAccountRequest) { r.Resource.Labels = map[string]string{"": "x"} },
		"FIELD_INVALID   ":   func(r *v1.UpdateAccountRequest) { r.Resource.Spec = &v1.AccountSpec{Dc: -1} },
	} {
		req := &v1.UpdateAccountRequest{Resource: good(), UpdateMask: &fieldmaskpb.FieldMask{}}
		change(req)
		if _, err := updateAccount(t.Context(), &Host{Accounts: newShelf(1)}, req); reason(err) != trim(want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func trim(s string) string {
	for len(s) > 0 && s[len(s)-1] == ' ' {
		s = s[:len(s)-1]
	}
	return s
}

// TestPauseOvertakesOthers: it names no version, so a change at the same time is no conflict.
func TestPauseOvertakesOthers(t *testing.T) {
	s := newShelf(1)
	host := &Host{Accounts: s}
	s.busy = 3
	paused, err := pauseAccount(t.Context(), host, &v1.PauseAccountRequest{Id: "a0000"})
	if err != nil || !paused.GetAccount().GetSpec().GetPaused() || paused.GetAccount().GetSpec().GetApp() != "web" {
		t.Errorf("paused %v, %v", paused, err)
	}
	again, err := pauseAccount(t.Context(), host, &v1.PauseAccountRequest{Id: "a0000"})
	if err != nil || again.GetAccount().GetResourceVersion() != paused.GetAccount().GetResourceVersion() {
		t.Errorf("a second pause wrote: %v, %v", again, err)
	}
	s.busy = maxConflicts + 1
	if _, err := resumeAccount(t.Context(), host, &v1.ResumeAccountRequest{Id: "a0000"}); reason(err) != "CONFLICT" {
		t.Errorf("without end: %v", err)
	}
}

func TestPagesAreOfOneMoment(t *testing.T) {
	s := newShelf(5)
	host := &Host{Accounts: s}
	var ids []string
	req := &v1.ListAccountsRequest{PageSize: 2}
	for {
		page, err := listAccounts(t.Context(), host, req)
		if err != nil || page.GetResourceVersion() != "77" {
			t.Fatal(page, err)
		}
		for _, a := range page.GetAccounts() {
			ids = append(ids, a.GetId())
		}
		if req.PageToken = page.GetNextPageToken(); req.PageToken == "" {
			break
		}
	}
	if len(ids) != 5 || len(s.lists) != 3 || s.lists[0].Version != "" || s.lists[1].Version != "77" || s.lists[2].After != "a0003" {
		t.Errorf("pages %v by %+v", ids, s.lists)
	}
	for _, token := range []string{"?", "YQ"} {
		if _, err := listAccounts(t.Context(), host, &v1.ListAccountsRequest{PageToken: token}); reason(err) != "FIELD_INVALID" {
			t.Errorf("token %q: %v", token, err)
		}
	}
}

// TestSelectorAddressesEveryPage: a network signal by selector reaches more than one page.
func TestSelectorAddressesEveryPage(t *testing.T) {
	s := newShelf(2*maxPageSize + 10)
	host := &Host{Accounts: s}
	target, err := selected(t.Context(), host, "n=1")
	if err != nil || len(target.Accounts) != maxPageSize+5 {
		t.Errorf("%d accounts, %v", len(target.Accounts), err)
	}
	if target, err := selected(t.Context(), host, "n=7"); err != nil || target != nil {
		t.Errorf("convert.Nobody: %v, %v", target, err)
	}
	if _, err := selected(t.Context(), host, ""); reason(err) != "FIELD_INVALID" {
		t.Errorf("empty: %v", err)
	}
}

func TestServersWithoutAClusterSaySo(t *testing.T) {
	host := &Host{Accounts: newShelf(1)}
	_, nodes := listNodes(t.Context(), host, &v1.ListNodesRequest{})
	_, moved := moveAccount(t.Context(), host, &v1.MoveAccountRequest{Id: "a0000"})
	watched := watchAccounts(t.Context(), host, &v1.WatchAccountsRequest{}, nil)
	for _, err := range []error{nodes, moved, watched} {
		if reason(err) != "UNSUPPORTED" {
			t.Errorf("got %v", err)
		}
	}
}

// TestFormerOwnersReportIsNotShown: a status counts while the node that wrote it owns the account.
// Of others only the login is kept, which needs no owner.
func TestFormerOwnersReportIsNotShown(t *testing.T) {
	at := time.Unix(1000, 0)
	var reported []fleet.Condition
	for i, r := range []fleet.ConditionReason{
		fleet.ReasonOwned, fleet.ReasonSignedIn, fleet.ReasonConnected, fleet.ReasonUpdatesFlowing, fleet.ReasonCaughtUp,
		fleet.ReasonNoProxy, fleet.ReasonFloodWait, fleet.ReasonUnrestricted,
	} {
		c := fleet.NewCondition(fleet.ConditionTypes[i], r)
		c.Since = at
		reported = append(reported, c)
	}
	for _, c := range []struct {
		name, owner, reporter string
		reported              []fleet.Condition
		want                  string
		state                 string
	}{
		{"never owned", "", "", nil, "-NO_OWNER ?NOT_REPORTED -NO_OWNER -NO_OWNER -NO_OWNER ?NOT_REPORTED ?NOT_REPORTED ?NOT_REPORTED -NO_OWNER", ""},
		{"claimed", "n1", "", nil, "+OWNED ?NOT_REPORTED ?NOT_REPORTED ?NOT_REPORTED ?NOT_REPORTED ?NOT_REPORTED ?NOT_REPORTED ?NOT_REPORTED ?NOT_REPORTED", ""},
		{"reported", "n1", "n1", reported, "+OWNED +SIGNED_IN +CONNECTED +UPDATES_FLOWING +CAUGHT_UP +NO_PROXY +FLOOD_WAIT -UNRESTRICTED +READY", "online"},
		{"owner lost", "", "n1", reported, "-NO_OWNER +SIGNED_IN -NO_OWNER -NO_OWNER -NO_OWNER ?NOT_REPORTED ?NOT_REPORTED ?NOT_REPORTED -NO_OWNER", ""},
		{"next owner", "n2", "n1", reported, "+OWNED +SIGNED_IN ?NOT_REPORTED ?NOT_REPORTED ?NOT_REPORTED ?NOT_REPORTED ?NOT_REPORTED ?NOT_REPORTED ?NOT_REPORTED", ""},
	} {
		s := &v1.AccountStatus{Node: c.owner, UserId: 7, ObservedGeneration: 3}
		if c.reporter != "" {
			s.State, s.Reason, s.Message = convert.AccountState("online"), "R", "m"
		}
		SetConditions(s, c.reporter, c.reported)
		var got []string
		for i, cond := range s.GetConditions() {
			if want := string(fleet.ConditionTypes[i]); cond.GetType() != want {
				t.Errorf("%s: condition %d is %s, want %s", c.name, i, cond.GetType(), want)
			}
			sign := map[v1.ConditionStatus]string{v1.ConditionStatus_CONDITION_STATUS_TRUE: "+", v1.ConditionStatus_CONDITION_STATUS_FALSE: "-"}[cond.GetStatus()]
			got = append(got, cmp.Or(sign, "?")+cond.GetReason())
			if bad := cond.GetReason() == "NO_OWNER"; bad && cond.GetMessage() == "" {
				t.Errorf("%s: %s says nothing", c.name, cond.GetType())
			}
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, text, c.want)
		}
		if s.GetState() != convert.AccountState(c.state) || s.GetUserId() != 7 || (s.GetObservedGeneration() == 3) != (c.state != "") {
			t.Errorf("%s: shown %v", c.name, s)
		}
	}
}
