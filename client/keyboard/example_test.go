package keyboard_test

import (
	"fmt"

	"github.com/telefleet/orchestrator/client/keyboard"
)

func ExampleInline() {
	k := keyboard.Inline{
		keyboard.Row(keyboard.Callback("Yes", "yes"), keyboard.Callback("No", "no")),
		keyboard.Row(keyboard.URL("More", "https://example.org")),
	}
	for _, row := range k.Input().GetInline().GetRows() {
		for _, b := range row.GetButtons() {
			fmt.Printf("%s: %s%s\n", b.GetText(), b.GetCallback(), b.GetUrl())
		}
	}
	// Output:
	// Yes: yes
	// No: no
	// More: https://example.org
}

func ExampleReply() {
	k := &keyboard.Reply{
		Rows:   [][]keyboard.ReplyButton{keyboard.ReplyRow(keyboard.Text("Menu"), keyboard.Phone("Call me"))},
		Resize: true,
	}
	fmt.Println(len(k.Input().GetReply().GetRows()[0].GetButtons()), k.Input().GetReply().GetResize())
	// Output: 2 true
}
