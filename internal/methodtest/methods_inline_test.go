package methodtest

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/telefleet/orchestrator/client"
	"github.com/telefleet/orchestrator/client/keyboard"
	"github.com/telefleet/orchestrator/client/tgraw"
	"github.com/telefleet/orchestrator/simulator/files"
	"github.com/telefleet/orchestrator/simulator/model"
)

// choose takes a result of an answer in the chat with peer, and returns the message as the user sees it and
// the bot's event of it.
func choose(t *testing.T, user, robot, peer *person, results *tg.MessagesBotResults, id string) (*client.Message, *client.Event) {
	t.Helper()
	chosen := robot.expect(t, func(e *client.Event) bool { return e.GetInlineSend().GetResultId() == id })
	got := user.expect(t, func(e *client.Event) bool { return e.GetMessageNew().GetOut() })
	must(tg.NewClient(tgraw.New(user.Account)).MessagesSendInlineBotResult(deadline(t), &tg.MessagesSendInlineBotResultRequest{
		Peer: inputPeer(user, peer), QueryID: results.QueryID, ID: id, RandomID: numbers.Add(1),
	}))(t)
	return got().GetMessageNew(), chosen()
}

// newest is the simulator's newest message in the chat of two.
func newest(t *testing.T, owner, peer *person) model.Post {
	t.Helper()
	all := posts(owner.UserID, model.UserPeer(peer.UserID))
	if len(all) == 0 {
		t.Fatal("the simulator has no message")
	}
	return all[len(all)-1]
}

// TestMethod55_Results: each kind of result becomes the right message, with its keyboard and the bot that it
// came by.
func TestMethod55_Results(t *testing.T) {
	t.Parallel()
	anna, boris, robot := account(t), account(t), bot(t)
	paper := must(anna.Upload(deadline(t), strings.NewReader("words"), client.UploadOptions{Name: "paper.txt"}))(t)
	must(anna.SendFile(deadline(t), robot.Ref(), client.Uploaded(paper), nil))(t)
	sim.Files(func(s *files.Store) { s.ExpireReferences() })
	buttons := keyboard.Inline{keyboard.Row(keyboard.Callback("more", "more")), keyboard.Row(keyboard.URL("site", "https://example.org"))}
	stored := client.Stored(client.FileOf(anna.Ref(), int32(newest(t, robot, anna).ID)))
	query, answer := asked(t, anna, robot, boris, "everything")
	err := robot.AnswerInlineQuery(deadline(t), query, client.InlineAnswer{Personal: true, SwitchText: "App", SwitchApp: "https://example.org/app", Results: []client.InlineResult{
		client.InlineArticle{ID: "article", Title: "Article", Content: client.Markdown("*bold*"), Keyboard: buttons},
		client.InlineFile{ID: "photo", File: client.Local(drawn(t, 320, 240)), Caption: client.HTML("<i>seen</i>"), Keyboard: buttons},
		client.InlineFile{ID: "paper", File: stored, Description: "on paper"},
		client.InlineFile{ID: "instead", File: stored, Title: "Sheet", Instead: client.Text("read it yourself"), Keyboard: buttons},
		client.InlinePlace{ID: "place", Title: "Here", Latitude: 52.5, Longitude: 13.4, Live: 10 * time.Minute, Keyboard: buttons},
		client.InlinePlace{ID: "venue", Title: "Museum", Address: "Island 1", Latitude: 52.5, Longitude: 13.4},
		client.InlineContact{ID: "contact", Phone: "+4930123456", FirstName: "Clara", LastName: "Z", Keyboard: buttons},
		client.InlineFile{ID: "web", File: client.FromURL("https://example.org/cat.gif").As(client.AsAnimation)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	results := <-answer
	var kinds []string
	for _, r := range results.Results {
		kinds = append(kinds, r.GetID()+" "+r.GetType())
	}
	if got, want := strings.Join(kinds, ", "), "article article, photo photo, paper file, instead file, place geo, venue venue, contact contact, web gif"; got != want {
		t.Errorf("the user got %s, want %s", got, want)
	}
	if app, ok := results.GetSwitchWebview(); !ok || app.URL != "https://example.org/app" {
		t.Errorf("the button above is %v", app)
	}
	if sheet, _ := results.Results[2].(*tg.BotInlineMediaResult); sheet.Title != "paper.txt" || sheet.Description != "on paper" {
		t.Errorf("a document is shown as %v", sheet)
	}
	for id, want := range map[string]struct {
		text, media string
		buttons     bool
	}{
		"article": {"bold", "", true}, "photo": {"seen", "messageMediaPhoto", true}, "paper": {"", "messageMediaDocument", false},
		"instead": {"read it yourself", "", true}, "place": {"", "messageMediaGeoLive", true}, "venue": {"", "messageMediaVenue", false},
		"contact": {"", "messageMediaContact", true},
	} {
		m, _ := choose(t, anna, robot, boris, results, id)
		p := newest(t, boris, anna)
		media := ""
		if shown := shown(p, boris); shown != nil {
			media = shown.TypeName()
		}
		if p.Text != want.text || media != want.media || (p.Markup != nil) != want.buttons || p.ViaBot != robot.UserID || p.From != anna.UserID {
			t.Errorf("%s: the simulator has %+v with %s", id, p, media)
		}
		if m.GetViaBotId() != robot.UserID || m.GetText() != want.text || len(m.GetKeyboard().GetRows()) > 0 != want.buttons {
			t.Errorf("%s: the user sees %v", id, m)
		}
	}
	if id := must(boris.HistoryPage(deadline(t), anna.Ref(), 0, 50))(t); len(id.Messages) != 7 {
		t.Errorf("there are %d messages", len(id.Messages))
	}
}

// TestMethod55_Refused: what cannot be a result is refused before anything is sent.
func TestMethod55_Refused(t *testing.T) {
	t.Parallel()
	robot := bot(t)
	file := client.FromURL("https://example.org/film")
	for name, r := range map[string]client.InlineResult{
		"no content":         client.InlineArticle{ID: "1", Title: "x"},
		"north of the pole":  client.InlinePlace{ID: "1", Title: "x", Latitude: 91},
		"too short a life":   client.InlinePlace{ID: "1", Title: "x", Live: time.Second},
		"a nameless contact": client.InlineContact{ID: "1", Phone: "+4930123456"},
		"of unknown kind":    client.InlineFile{ID: "1", File: file},
		"of unknown type":    client.InlineFile{ID: "1", File: file.As(client.AsVideo)},
		"a video message":    client.InlineFile{ID: "1", File: file.As(client.AsVideoNote).Named("", "video/mp4")},
		"hidden":             client.InlineFile{ID: "1", File: file.As(client.AsPhoto).Spoiler()},
		"a long caption":     client.InlineFile{ID: "1", File: file.As(client.AsPhoto), Caption: client.Text(strings.Repeat("x", 1025))},
		"an empty row":       client.InlineArticle{ID: "1", Title: "x", Content: client.Text("x"), Keyboard: keyboard.Inline{nil}},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, robot.AnswerInlineQuery(deadline(t), 1, client.InlineAnswer{Results: []client.InlineResult{r}}), "FIELD_INVALID")
		})
	}
}

// TestMethod55_KeptAnswers: an equal query is answered with what was kept, for all or for one user; the further
// results are those of the next offset.
func TestMethod55_KeptAnswers(t *testing.T) {
	t.Parallel()
	anna, boris, robot := account(t), account(t), bot(t)
	article := func(text string) []client.InlineResult {
		return []client.InlineResult{client.InlineArticle{ID: "1", Title: text, Content: client.Text(text)}}
	}
	again := func(user, peer *person, text string) *tg.MessagesBotResults {
		return must(tg.NewClient(tgraw.New(user.Account)).MessagesGetInlineBotResults(deadline(t), &tg.MessagesGetInlineBotResultsRequest{
			Bot: inputUser(user, robot), Peer: inputPeer(user, peer), Query: text,
		}))(t)
	}
	query, answer := asked(t, anna, robot, boris, "for all")
	if err := robot.AnswerInlineQuery(deadline(t), query, client.InlineAnswer{Results: article("kept"), CacheTime: time.Hour, NextOffset: "2"}); err != nil {
		t.Fatal(err)
	}
	<-answer
	for _, user := range []*person{anna, boris} { // the bot does not hear of it
		got := again(user, robot, "for all")
		if len(got.Results) != 1 || got.NextOffset != "2" || got.CacheTime != 3600 {
			t.Errorf("the user got %+v", got)
		}
		choose(t, user, robot, robot, got, "1")
	}
	query, answer = asked(t, anna, robot, boris, "for one")
	if err := robot.AnswerInlineQuery(deadline(t), query, client.InlineAnswer{Results: article("hers"), CacheTime: time.Hour, Personal: true}); err != nil {
		t.Fatal(err)
	}
	<-answer
	if got := again(anna, boris, "for one"); len(got.Results) != 1 {
		t.Errorf("she got %+v", got)
	}
	query, answer = asked(t, boris, robot, anna, "for one") // is a query of its own
	if err := robot.AnswerInlineQuery(deadline(t), query, client.InlineAnswer{CacheTime: -1}); err != nil {
		t.Fatal(err)
	}
	if got := <-answer; len(got.Results) != 0 {
		t.Errorf("he got %+v", got)
	}
}

// TestMethod55_ByHand: photos, files and keyboards of the command line; a button under what was chosen is
// pressed, and the bot hears of which message.
func TestMethod55_ByHand(t *testing.T) {
	t.Parallel()
	anna, boris, robot := account(t), account(t), bot(t)
	query, answer := asked(t, anna, robot, boris, "by hand")
	out, err := cli(t, "bot", "inline", robot.ID(), fmt.Sprint(query), "--article", "Hi=hello", "--photo", drawn(t, 99, 99), "--caption", "small",
		"--button", "Go=callback:go", "--switch", "Talk", "--switch-start", "x")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	results := <-answer
	if pm, _ := results.GetSwitchPm(); len(results.Results) != 2 || pm.StartParam != "x" {
		t.Fatalf("the user got %+v", results)
	}
	m, chosen := choose(t, anna, robot, boris, results, "2")
	if m.GetMedia().GetKind() != "photo" || m.GetText() != "small" || m.GetKeyboard().GetRows()[0].GetButtons()[0].GetText() != "Go" {
		t.Errorf("it became %v", m)
	}
	heard := robot.expect(t, func(e *client.Event) bool { return e.GetCallbackQuery() != nil })
	ended := make(chan error, 1)
	press := encoded(t, &tg.MessagesGetBotCallbackAnswerRequest{Peer: inputPeer(anna, boris), MsgID: int(m.GetId()), Flags: flag(0), Data: []byte("go")})
	go func() {
		_, err := anna.InvokeTL(context.WithoutCancel(t.Context()), press)
		ended <- err
	}()
	pressed := heard().GetCallbackQuery()
	if string(pressed.GetInlineMessageId()) != string(chosen.GetInlineSend().GetInlineMessageId()) || pressed.GetUser().GetId() != anna.UserID {
		t.Errorf("the bot heard %v", pressed)
	}
	if err := robot.AnswerCallbackQuery(deadline(t), pressed.GetQueryId(), client.CallbackAnswer{}); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestMethod21_EditInlineMedia: what came from an inline query gets another photo and another keyboard, where
// the message is.
func TestMethod21_EditInlineMedia(t *testing.T) {
	t.Parallel()
	anna, boris, robot := account(t, on(2)), account(t), bot(t)
	query, answer := asked(t, anna, robot, boris, "a picture")
	buttons := keyboard.Inline{keyboard.Row(keyboard.URL("site", "https://example.org"))}
	if err := robot.AnswerInlineQuery(deadline(t), query, client.InlineAnswer{Results: []client.InlineResult{
		client.InlineFile{ID: "1", File: client.Local(drawn(t, 100, 80)), Caption: client.Text("small"), Keyboard: buttons},
	}}); err != nil {
		t.Fatal(err)
	}
	_, chosen := choose(t, anna, robot, boris, <-answer, "1")
	id := chosen.GetInlineSend().GetInlineMessageId()
	size := func() (w int, p model.Post) {
		p = newest(t, boris, anna)
		photo, _ := shown(p, boris).(*tg.MessageMediaPhoto)
		if photo == nil {
			t.Fatalf("the simulator has %+v", p)
		}
		sizes := photo.Photo.(*tg.Photo).Sizes
		return sizes[len(sizes)-1].(*tg.PhotoSize).W, p
	}
	larger := client.Local(drawn(t, 200, 160))
	if changed, err := robot.EditInlineFile(deadline(t), id, larger, client.Markdown("*larger*"), client.WithKeyboard(buttons)); err != nil || !changed {
		t.Fatal(changed, err)
	}
	if w, p := size(); w != 200 || p.Text != "larger" || p.Markup == nil || p.EditDate == 0 {
		t.Errorf("the simulator has %+v, %d pixels wide", p, w)
	}
	out, err := cli(t, "bot", "edit", robot.ID(), base64.StdEncoding.EncodeToString(id), "largest", "--photo", drawn(t, 300, 240))
	if err != nil || !contains(out, "changed") {
		t.Errorf("%v: %s", err, out)
	}
	if w, p := size(); w != 300 || p.Text != "largest" || p.Markup != nil {
		t.Errorf("the simulator has %+v, %d pixels wide", p, w)
	}
	other := keyboard.Inline{keyboard.Row(keyboard.Callback("go", "go"))}
	if changed, err := robot.EditInlineMessage(deadline(t), id, nil, client.WithKeyboard(other)); err != nil || !changed {
		t.Error(changed, err)
	}
	if w, p := size(); w != 300 || p.Text != "largest" || p.Markup == nil {
		t.Errorf("only the keyboard: the simulator has %+v, %d pixels wide", p, w)
	}
	_, err = robot.EditInlineMessage(deadline(t), id, client.Text("x"), client.WithKeyboard(keyboard.Hide{}))
	refused(t, err, "ARGUMENT_INVALID")
	_, err = robot.EditInlineMessage(deadline(t), id, nil)
	refused(t, err, "FIELD_INVALID")

	// Telegram itself takes no upload there.
	var in tg.InputBotInlineMessageIDBox
	if err := in.Decode(&bin.Buffer{Buf: id}); err != nil {
		t.Fatal(err)
	}
	at := in.InputBotInlineMessageID.(*tg.InputBotInlineMessageID64).DCID
	_, err = robot.InvokeTL(deadline(t), encoded(t, &tg.MessagesEditInlineBotMessageRequest{
		ID: in.InputBotInlineMessageID, Flags: flag(14), Media: &tg.InputMediaUploadedPhoto{File: &tg.InputFile{ID: 1, Parts: 1, Name: "x"}},
	}), client.OnDC(at))
	refused(t, err, "MEDIA_INVALID")
}

// TestMethod21_EditInlineMessageOfChannel: also where it was written in a channel.
func TestMethod21_EditInlineMessageOfChannel(t *testing.T) {
	t.Parallel()
	anna, robot := account(t), bot(t)
	talk := newRoom(t, anna, false)
	query, answer := asked(t, anna, robot, robot, "to all")
	if err := robot.AnswerInlineQuery(deadline(t), query, client.InlineAnswer{Results: []client.InlineResult{client.InlineArticle{ID: "1", Title: "x", Content: client.Text("old")}}}); err != nil {
		t.Fatal(err)
	}
	results := <-answer
	chosen := robot.expect(t, func(e *client.Event) bool { return e.GetInlineSend() != nil })
	var hash int64
	inside(func(w *model.World) { hash = w.AccessHash(anna.UserID, talk.peer()) })
	must(tg.NewClient(tgraw.New(anna.Account)).MessagesSendInlineBotResult(deadline(t), &tg.MessagesSendInlineBotResultRequest{
		Peer: &tg.InputPeerChannel{ChannelID: talk.ID, AccessHash: hash}, QueryID: results.QueryID, ID: "1", RandomID: 12,
	}))(t)
	if changed, err := robot.EditInlineMessage(deadline(t), chosen().GetInlineSend().GetInlineMessageId(), client.Text("new")); err != nil || !changed {
		t.Fatal(changed, err)
	}
	if got := texts(posts(0, talk.peer())); !contains(strings.Join(got, ","), "new") || contains(strings.Join(got, ","), "old") {
		t.Errorf("the simulator has %q", got)
	}
}
