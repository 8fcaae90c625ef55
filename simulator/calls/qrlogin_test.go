package calls_test

import (
	"testing"
	"time"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/simulator/model"
	"github.com/telefleet/orchestrator/simulator/simtest"
	"github.com/telefleet/orchestrator/simulator/srp"
)

func TestLoginTokenIsAcceptedOnceAndInTime(t *testing.T) {
	b := simtest.New(t, model.Config{})
	ann, phone := b.Person("ann"), b.Session(1)
	export := func(s *simtest.Session) (tg.AuthLoginTokenClass, error) {
		return s.AuthExportLoginToken(simtest.Ctx, &tg.AuthExportLoginTokenRequest{APIID: 1, APIHash: "h"})
	}
	_, err := phone.AuthExportLoginToken(simtest.Ctx, &tg.AuthExportLoginTokenRequest{APIID: 1})
	simtest.Refused(t, err, 400, "API_ID_INVALID")
	old := simtest.Must(export(phone))(t).(*tg.AuthLoginToken)
	b.Time = b.Time.Add(time.Minute)
	_, err = ann.AuthAcceptLoginToken(simtest.Ctx, old.Token)
	simtest.Refused(t, err, 400, "AUTH_TOKEN_EXPIRED")
	first := simtest.Must(export(phone))(t).(*tg.AuthLoginToken)
	token := simtest.Must(export(phone))(t).(*tg.AuthLoginToken)
	_, err = ann.AuthAcceptLoginToken(simtest.Ctx, first.Token)
	simtest.Refused(t, err, 400, "AUTH_TOKEN_INVALIDX")
	_, err = phone.AuthAcceptLoginToken(simtest.Ctx, token.Token)
	simtest.Refused(t, err, 401, "AUTH_KEY_UNREGISTERED")
	simtest.Must(ann.AuthAcceptLoginToken(simtest.Ctx, token.Token))(t)
	_, err = ann.AuthAcceptLoginToken(simtest.Ctx, token.Token)
	simtest.Refused(t, err, 400, "AUTH_TOKEN_ALREADY_ACCEPTED")
	pushed := b.Rec.Take(phone.Key)
	if len(pushed) != 1 || pushed[0].(*tg.UpdateShort).Update.TypeID() != tg.UpdateLoginTokenTypeID {
		t.Errorf("pushed %v, want updateLoginToken", pushed)
	}
	in := simtest.Must(export(phone))(t).(*tg.AuthLoginTokenSuccess).Authorization.(*tg.AuthAuthorization)
	if in.User.(*tg.User).ID != ann.ID {
		t.Errorf("signed in as %v", in.User)
	}
}

func TestLoginTokenMovesToTheHomeOfItsUser(t *testing.T) {
	b := simtest.New(t, model.Config{})
	ann := b.Person("ann") // on DC 1
	b.Users[ann.ID].Password = srp.New("pw", "")
	away, home := b.Session(2), b.Session(1)
	token := simtest.Must(away.AuthExportLoginToken(simtest.Ctx, &tg.AuthExportLoginTokenRequest{APIID: 1, APIHash: "h"}))(t).(*tg.AuthLoginToken)
	_, err := home.AuthImportLoginToken(simtest.Ctx, token.Token)
	simtest.Refused(t, err, 400, "AUTH_TOKEN_INVALID")
	simtest.Must(ann.AuthAcceptLoginToken(simtest.Ctx, token.Token))(t)
	moved := simtest.Must(away.AuthExportLoginToken(simtest.Ctx, &tg.AuthExportLoginTokenRequest{APIID: 1, APIHash: "h"}))(t).(*tg.AuthLoginTokenMigrateTo)
	if moved.DCID != 1 {
		t.Errorf("moved to DC %d", moved.DCID)
	}
	_, err = home.AuthImportLoginToken(simtest.Ctx, moved.Token)
	simtest.Refused(t, err, 401, "SESSION_PASSWORD_NEEDED")
	simtest.Must(home.AccountGetPassword(simtest.Ctx))(t)
	_, err = home.AuthImportLoginToken(simtest.Ctx, moved.Token)
	simtest.Refused(t, err, 400, "AUTH_TOKEN_INVALIDX")
}
