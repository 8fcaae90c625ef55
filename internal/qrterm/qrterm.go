// Package qrterm draws QR codes in a terminal.
//
// # Usage
//
//	picture, err := qrterm.Draw("tg://login?token=...", qrterm.Colour)
//
// Each line of text shows two rows of the code, by half blocks, in black on white with a white
// border of four modules as ISO/IEC 18004 wants it.
package qrterm

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// quiet is the width of the white border, in modules (ISO/IEC 18004, 9.1).
const quiet = 4

// Style says what the text may use.
type Style uint8

// The styles.
const (
	// Colour sets black on white by itself, whatever colours the terminal has.
	Colour Style = iota
	// Plain uses no escape sequences: right on dark grounds, inverted on light ones.
	Plain
)

// ANSI sequences: black on white, and back.
const (
	blackOnWhite = "\x1b[38;5;16m\x1b[48;5;231m"
	reset        = "\x1b[0m"
)

// Draw gives the code as lines that end in \n. Text is at most some 2,300 bytes long.
func Draw(text string, style Style) (string, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", fmt.Errorf("draw QR code of %d bytes: %w", len(text), err)
	}
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		if style == Colour {
			b.WriteString(blackOnWhite)
		}
		for x := -quiet; x < code.Size+quiet; x++ {
			upper, lower := code.Black(x, y), code.Black(x, y+1)
			if style == Plain { // what is drawn is light
				upper, lower = !upper, !lower
			}
			b.WriteString(half(upper, lower))
		}
		if style == Colour {
			b.WriteString(reset)
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}

func half(upper, lower bool) string {
	switch {
	case upper && lower:
		return "█"
	case upper:
		return "▀"
	case lower:
		return "▄"
	}
	return " "
}
