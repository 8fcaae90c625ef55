package model

import (
	"testing"
	"time"

	"github.com/gotd/td/tg"
)

func TestLoginTokenIsAcceptedOnceAndInTime(t *testing.T) {
	b := newBench(t, Config{})
	ann, phone := b.person("ann"), b.session(1)
	export := func(s *session) (tg.AuthLoginTokenClass, error) {
		return s.AuthExportLoginToken(ctx, &tg.AuthExportLoginTokenRequest{APIID: 1, APIHash: "h"})
	}
	_, err := phone.AuthExportLoginToken(ctx, &tg.AuthExportLoginTokenRequest{APIID: 1})
	refused(t, err, 400, "API_ID_INVALID")
	old := must(export(phone))(t).(*tg.AuthLoginToken)
	b.time = b.time.Add(time.Minute)
	_, err = ann.AuthAcceptLoginToken(ctx, old.Token)
	refused(t, err, 400, "AUTH_TOKEN_EXPIRED")
	first := must(export(phone))(t).(*tg.AuthLoginToken)
	token := must(export(phone))(t).(*tg.AuthLoginToken)
	_, err = ann.AuthAcceptLoginToken(ctx, first.Token)
	refused(t, err, 400, "AUTH_TOKEN_INVALIDX")
	_, err = phone.AuthAcceptLoginToken(ctx, token.Token)
	refused(t, err, 401, "AUTH_KEY_UNREGISTERED")
	must(ann.AuthAcceptLoginToken(ctx, token.Token))(t)
	_, err = ann.AuthAcceptLoginToken(ctx, token.Token)
	refused(t, err, 400, "AUTH_TOKEN_ALREADY_ACCEPTED")
	pushed := b.rec.take(phone.key)
	if len(pushed) != 1 || pushed[0].(*tg.UpdateShort).Update.TypeID() != tg.UpdateLoginTokenTypeID {
		t.Errorf("pushed %v, want updateLoginToken", pushed)
	}
	in := must(export(phone))(t).(*tg.AuthLoginTokenSuccess).Authorization.(*tg.AuthAuthorization)
	if in.User.(*tg.User).ID != ann.id {
		t.Errorf("signed in as %v", in.User)
	}
}

func TestLoginTokenMovesToTheHomeOfItsUser(t *testing.T) {
	b := newBench(t, Config{})
	ann := b.person("ann") // on DC 1
	b.users[ann.id].password = newPassword("pw", "")
	away, home := b.session(2), b.session(1)
	token := must(away.AuthExportLoginToken(ctx, &tg.AuthExportLoginTokenRequest{APIID: 1, APIHash: "h"}))(t).(*tg.AuthLoginToken)
	_, err := home.AuthImportLoginToken(ctx, token.Token)
	refused(t, err, 400, "AUTH_TOKEN_INVALID")
	must(ann.AuthAcceptLoginToken(ctx, token.Token))(t)
	moved := must(away.AuthExportLoginToken(ctx, &tg.AuthExportLoginTokenRequest{APIID: 1, APIHash: "h"}))(t).(*tg.AuthLoginTokenMigrateTo)
	if moved.DCID != 1 {
		t.Errorf("moved to DC %d", moved.DCID)
	}
	_, err = home.AuthImportLoginToken(ctx, moved.Token)
	refused(t, err, 401, "SESSION_PASSWORD_NEEDED")
	must(home.AccountGetPassword(ctx))(t)
	_, err = home.AuthImportLoginToken(ctx, moved.Token)
	refused(t, err, 400, "AUTH_TOKEN_INVALIDX")
}
