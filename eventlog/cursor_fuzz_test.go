package eventlog

import "testing"

// FuzzParseCursor: a cursor has one written form, and everything else is refused.
func FuzzParseCursor(f *testing.F) {
	for _, s := range []string{"", "0-0", "1-7", "18446744073709551615-18446744073709551615", "18446744073709551616-1", "01-1", "1", "1-", "-1", "1-2-3", "+1-2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCursor(s)
		switch {
		case err != nil && !c.IsZero():
			t.Fatalf("%q gives %v and %v", s, c, err)
		case err == nil && s != "" && c.String() != s:
			t.Fatalf("%q gives %v", s, c)
		}
	})
}
