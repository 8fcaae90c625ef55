package actors

import (
	"slices"
	"testing"
)

func TestGarbageIsCollectedAsAccountsComeUp(t *testing.T) {
	var (
		all  tidy
		when []int
		jobs []func()
	)
	for up := range 400 {
		all.came(func(collect func()) {
			when = append(when, up+1)
			jobs = append(jobs, collect)
		})
		for _, collect := range jobs {
			collect()
		}
		jobs = nil
	}
	if want := []int{32, 64, 96, 128, 160, 192, 224, 256, 288, 324, 364}; !slices.Equal(when, want) {
		t.Errorf("garbage was collected after %v accounts, want %v", when, want)
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
	if all.last != 4500 {
		t.Errorf("collected after %d accounts, want after 4500", all.last)
	}
	waiting[0]()
	all.came(func(collect func()) { waiting = append(waiting, collect) })
	if len(waiting) != 2 {
		t.Error("nothing is collected after the first collection has ended")
	}
}
