package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/telefleet/orchestrator/simulator"
)

// parseUser reads PHONE[:USERNAME[:HOME-DC[:PASSWORD]]].
func parseUser(text string) (simulator.UserSpec, error) {
	parts := strings.SplitN(text, ":", 4)
	u := simulator.UserSpec{Phone: parts[0]}
	if len(parts) > 1 {
		u.Username = parts[1]
	}
	u.FirstName = u.Username
	if u.FirstName == "" {
		u.FirstName = "User"
	}
	if len(parts) > 2 {
		dc, err := homeDC("--user", parts[2])
		if err != nil {
			return u, err
		}
		u.HomeDC = dc
	}
	if len(parts) > 3 {
		u.Password = parts[3]
	}
	return u, nil
}

// parseBot reads USERNAME[:HOME-DC].
func parseBot(text string) (simulator.BotSpec, error) {
	name, dc, found := strings.Cut(text, ":")
	b := simulator.BotSpec{Name: name, Username: name}
	if found {
		n, err := homeDC("--bot", dc)
		if err != nil {
			return b, err
		}
		b.HomeDC = n
	}
	return b, nil
}

func homeDC(flag, text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, usageError{fmt.Errorf("%s: home DC must be a number from 1 (got %q)", flag, text), "for example 2"}
	}
	return n, nil
}
