package methodtest

import (
	"context"
	"fmt"
	"testing"

	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/client/tgraw"
	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/simulator/model"
)

func TestMethod54_AnswerCallbackQuery(t *testing.T) {
	t.Parallel()
	anna, robot := account(t), bot(t)
	query, outcome := pressed(t, anna, robot)
	long := make([]rune, 201)
	for i := range long {
		long[i] = 'ж'
	}
	refused(t, robot.AnswerCallbackQuery(deadline(t), query, client.CallbackAnswer{Text: string(long)}), "FIELD_INVALID")
	if err := robot.AnswerCallbackQuery(deadline(t), query, client.CallbackAnswer{Text: "done", Alert: true, URL: "https://t.me/x?start=1"}); err != nil {
		t.Fatal(err)
	}
	if err := <-outcome; err != nil { // the user's own call has got the answer
		t.Error(err)
	}
	refused(t, robot.AnswerCallbackQuery(deadline(t), query, client.CallbackAnswer{}), "QUERY_ID_INVALID")
	query, outcome = pressed(t, anna, robot)
	if out, err := cli(t, "bot", "answer", robot.ID(), fmt.Sprint(query), "by hand"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if err := <-outcome; err != nil {
		t.Error(err)
	}
	refused(t, anna.AnswerCallbackQuery(deadline(t), 1, client.CallbackAnswer{}), "USER_BOT_REQUIRED")
}

// asked is an inline query that a user has written in the chat with peer: its id, and the answer to the
// user.
func asked(t *testing.T, user, robot, peer *person, text string) (query int64, answer <-chan *tg.MessagesBotResults) {
	t.Helper()
	heard := robot.expect(t, func(e *client.Event) bool { return e.GetInlineQuery().GetQuery() == text })
	raw := tg.NewClient(tgraw.New(user.Account))
	answers := make(chan *tg.MessagesBotResults, 1)
	req := &tg.MessagesGetInlineBotResultsRequest{Bot: inputUser(user, robot), Peer: inputPeer(user, peer), Query: text}
	go func() {
		out, err := raw.MessagesGetInlineBotResults(context.WithoutCancel(t.Context()), req)
		if err != nil {
			t.Errorf("the user's inline query: %v", err)
		}
		answers <- out
	}()
	return heard().GetInlineQuery().GetQueryId(), answers
}

func inputUser(viewer, target *person) *tg.InputUser {
	out := &tg.InputUser{UserID: target.UserID}
	inside(func(w *model.World) { out.AccessHash = w.AccessHash(viewer.UserID, model.UserPeer(target.UserID)) })
	return out
}

func inputPeer(viewer, target *person) *tg.InputPeerUser {
	in := inputUser(viewer, target)
	return &tg.InputPeerUser{UserID: in.UserID, AccessHash: in.AccessHash}
}

func TestMethod55_AnswerInlineQuery(t *testing.T) {
	t.Parallel()
	anna, boris, robot := account(t), account(t), bot(t)
	query, answer := asked(t, anna, robot, boris, "cats")
	article := func(id string) client.InlineArticle {
		return client.InlineArticle{ID: id, Title: "Cats", Content: client.Markdown("*meow*"), Description: "soft"}
	}
	reply := func(query int64, results ...client.InlineResult) error {
		return robot.AnswerInlineQuery(deadline(t), query, client.InlineAnswer{Results: results})
	}
	refused(t, reply(query, article("1"), article("1")), "FIELD_INVALID")
	refused(t, reply(query, make51(article)...), "FIELD_INVALID")
	err := robot.AnswerInlineQuery(deadline(t), query, client.InlineAnswer{
		Results: []client.InlineResult{article("1"), article("2")}, Gallery: true, NextOffset: "2", SwitchText: "More", SwitchParam: "cats",
	})
	if err != nil {
		t.Fatal(err)
	}
	got := <-answer
	pm, _ := got.GetSwitchPm()
	first, _ := got.Results[0].(*tg.BotInlineResult)
	if len(got.Results) != 2 || got.CacheTime != 300 || !got.Gallery || got.NextOffset != "2" || pm.StartParam != "cats" || first.Description != "soft" {
		t.Errorf("the user got %+v", got)
	}
	refused(t, reply(query), "QUERY_ID_INVALID")

	query, answer = asked(t, anna, robot, boris, "nothing")
	if err := robot.AnswerInlineQuery(deadline(t), query, client.InlineAnswer{CacheTime: -1, Personal: true}); err != nil {
		t.Fatal(err)
	}
	if got := <-answer; len(got.Results) != 0 || got.CacheTime != 0 {
		t.Errorf("the user got %+v", got)
	}
	query, answer = asked(t, anna, robot, boris, "by hand")
	if out, err := cli(t, "bot", "inline", robot.ID(), fmt.Sprint(query), "--article", "Hi=hello"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if got := <-answer; len(got.Results) != 1 {
		t.Errorf("the user got %+v", got)
	}
}

func make51(article func(string) client.InlineArticle) (out []client.InlineResult) {
	for i := range 51 {
		out = append(out, article(fmt.Sprint(i)))
	}
	return out
}

// TestMethod21_EditInlineMessage: the user lives at another DC than the bot, and there the message is.
func TestMethod21_EditInlineMessage(t *testing.T) {
	t.Parallel()
	robot := bot(t)
	var home int
	inside(func(w *model.World) { home = w.Users[robot.UserID].Home })
	anna, boris := account(t, func(s *simulator.UserSpec) { s.HomeDC = 1 + home%3 }), account(t)
	query, answer := asked(t, anna, robot, boris, "cats")
	if err := robot.AnswerInlineQuery(deadline(t), query, client.InlineAnswer{Results: []client.InlineResult{client.InlineArticle{ID: "1", Title: "Cats", Content: client.Text("meow")}}}); err != nil {
		t.Fatal(err)
	}
	results := <-answer
	chosen := robot.expect(t, func(e *client.Event) bool { return e.GetInlineSend() != nil })
	must(tg.NewClient(tgraw.New(anna.Account)).MessagesSendInlineBotResult(deadline(t), &tg.MessagesSendInlineBotResultRequest{
		Peer: inputPeer(anna, boris), QueryID: results.QueryID, ID: "1", RandomID: 11,
	}))(t)
	send := chosen().GetInlineSend()
	if send.GetResultId() != "1" || send.GetUser().GetId() != anna.UserID {
		t.Fatalf("the bot heard %v", send)
	}
	if changed, err := robot.EditInlineMessage(deadline(t), send.GetInlineMessageId(), client.Markdown("*purr*")); err != nil || !changed {
		t.Fatal(changed, err)
	}
	kept := posts(boris.UserID, model.UserPeer(anna.UserID))
	if len(kept) != 1 || kept[0].Text != "purr" || len(kept[0].Entities) != 1 {
		t.Errorf("the simulator has %+v", kept)
	}
	if changed, err := robot.EditInlineMessage(deadline(t), send.GetInlineMessageId(), client.HTML("<b>purr</b>")); err != nil || changed {
		t.Errorf("once more: changed %v, %v", changed, err)
	}
	_, err := robot.EditInlineMessage(deadline(t), []byte("nonsense"), client.Text("x"))
	refused(t, err, "FIELD_INVALID")
}
