package eventlog

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/telefleet/orchestrator/fleet"
)

// One account: each append waits for its acknowledgement.
func BenchmarkAppendInTurn(b *testing.B) {
	l := openLog(b, testConfig(b))
	w := claim(b, l, "a", 1)
	rec := event("1")
	rec.Payload = make([]byte, 300)
	for b.Loop() {
		if _, err := w.Append(context.Background(), rec); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
}

// 64 accounts at once, with one follower that reads everything.
func BenchmarkAppendManyAccounts(b *testing.B) {
	l := openLog(b, testConfig(b))
	const accounts = 64
	var ws [accounts]*Writer
	for i := range ws {
		ws[i] = claim(b, l, fleet.AccountID(fmt.Sprint("a", i)), 1)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var read atomic.Int64
	tail := l.Subscribe(ctx, SubscribeOptions{From: FromNew(), Follow: true})
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, err := range tail {
			if err != nil {
				return
			}
			if read.Add(1) == int64(b.N) {
				return
			}
		}
	})
	b.ResetTimer()
	var next atomic.Int64
	var writers sync.WaitGroup
	for _, w := range ws {
		writers.Go(func() {
			for next.Add(1) <= int64(b.N) {
				rec := event("1")
				rec.Payload = make([]byte, 300)
				if _, err := w.Append(context.Background(), rec); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
	if !b.Failed() {
		wg.Wait() // the follower has all of them
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "delivered/s")
	}
	cancel()
	wg.Wait()
}

// A node starts: all its accounts replay what each appended among the others. The same number of
// records of an account should take the same time, however many others there are.
func BenchmarkReplayOfManyAccounts(b *testing.B) {
	const each = 20
	for _, accounts := range []int{1, 100, 1000, 4000} {
		b.Run(fmt.Sprint(accounts), func(b *testing.B) {
			l := openLog(b, testConfig(b))
			ws := make([]*Writer, accounts)
			parallel(accounts, func(i int) { ws[i] = claim(b, l, fleet.AccountID(fmt.Sprint("a", i)), 1) })
			rec := event("1")
			rec.Payload = make([]byte, 300)
			for range each {
				parallel(accounts, func(i int) {
					if _, err := ws[i].Append(context.Background(), rec); err != nil {
						b.Error(err)
					}
				})
			}
			from := make([]Cursor, accounts)
			parallel(accounts, func(i int) {
				from[i] = ws[i].Claimed()
				ws[i] = claim(b, l, ws[i].account, 2)
			})
			for b.Loop() {
				parallel(accounts, func(i int) {
					n := 0
					for _, err := range ws[i].Replay(context.Background(), from[i]) {
						if err != nil {
							b.Error(err)
						}
						n++
					}
					if n != each {
						b.Errorf("%d records, want %d", n, each)
					}
				})
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*accounts*each), "us/record")
		})
	}
}

// parallel calls f for 0 to n-1, 16 at a time.
func parallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range 16 {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}
