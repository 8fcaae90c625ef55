package updates

import (
	"slices"
	"strconv"
	"testing"
)

// TestSeenRemembersTheLastIDs: exactly the last max ids are known, however many came before.
func TestSeenRemembersTheLastIDs(t *testing.T) {
	for _, limit := range []int{1, 3, 63, 64, 65, 200, 2048} {
		s := seen{max: limit}
		var last []string
		for i := range 5 * limit {
			id := strconv.Itoa(i)
			if s.has(hashID(id)) {
				t.Fatalf("max %d: %s is known before it came", limit, id)
			}
			s.add(hashID(id))
			if last = append(last, id); len(last) > limit {
				last = last[1:]
			}
			if i%(limit/8+1) == 0 && slices.ContainsFunc(last, func(id string) bool { return !s.has(hashID(id)) }) {
				t.Fatalf("max %d: one of the last ids before %s is forgotten", limit, id)
			}
			if old := i - limit; old >= 0 && s.has(hashID(strconv.Itoa(old))) {
				t.Fatalf("max %d: %d is still known after %d", limit, old, i)
			}
		}
	}
}
