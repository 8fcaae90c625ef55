package actors

import (
	"slices"
	"testing"
)

func TestGarbageIsCollectedAsAccountsComeUp(t *testing.T) {
	for _, c := range []struct {
		from int
		want []int
	}{
		{0, []int{16, 32, 48, 64, 80, 96}},
		{944, []int{963, 983, 1003, 1023, 1044}},
	} {
		all, when := tidy{up: c.from, last: c.from}, []int(nil)
		for up := range 100 {
			var collect func()
			all.came(func(job func()) {
				when = append(when, c.from+up+1)
				collect = job
			})
			if collect != nil {
				collect()
			}
		}
		if !slices.Equal(when, c.want) {
			t.Errorf("from %d on garbage was collected after %v accounts, want %v", c.from, when, c.want)
		}
	}
}

func TestCollectionsDoNotOverlapAndBecomeRare(t *testing.T) {
	all := tidy{up: 4000, last: 4000}
	var waiting []func()
	for range 3000 {
		all.came(func(collect func()) { waiting = append(waiting, collect) })
	}
	if len(waiting) != 1 {
		t.Fatalf("%d collections run at the same time, want 1", len(waiting))
	}
	if all.last != 4083 {
		t.Errorf("collected after %d accounts, want after 4083", all.last)
	}
	waiting[0]()
	all.came(func(collect func()) { waiting = append(waiting, collect) })
	if len(waiting) != 2 {
		t.Error("nothing is collected after the first collection has ended")
	}
}
