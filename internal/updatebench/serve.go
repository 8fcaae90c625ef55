package updatebench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/simulator/model"
	"github.com/telefleet/orchestrator/simulator/mtserver"
)

// dcFile is the name of the file with the simulator's DCs.
const dcFile = "dcs.json"

// served is the first line of Serve's output.
type served struct {
	Tokens []string `json:"tokens"`
}

// order asks for messages; the same line answers it.
type order struct {
	N    int `json:"n"`
	Rate int `json:"rate"`
}

// Serve runs a simulator with some bots until in ends, and sends messages as it is ordered. The
// file of its DCs is in dir.
func Serve(ctx context.Context, in io.Reader, out io.Writer, dir string, accounts int) (err error) {
	sim, err := simulator.Start(ctx, simulator.Config{
		DCs: []int{2}, Seed: 1, Model: model.Config{Plain: true}, Server: mtserver.Config{PushQueue: 1 << 20},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sim.Close()) }()
	if err := sim.WriteDCFile(filepath.Join(dir, dcFile)); err != nil {
		return err
	}
	talker, err := sim.AddUser(simulator.UserSpec{Phone: "+15550000001", FirstName: "talker", HomeDC: 2})
	if err != nil {
		return err
	}
	var hello served
	var bots []int64
	for i := range accounts {
		bot, err := sim.AddBot(simulator.BotSpec{Name: "bench", Username: fmt.Sprintf("bench%05d_bot", i), HomeDC: 2})
		if err != nil {
			return err
		}
		bots, hello.Tokens = append(bots, bot.ID), append(hello.Tokens, bot.Token)
	}
	lines := json.NewEncoder(out)
	if err := lines.Encode(hello); err != nil {
		return err
	}
	orders := json.NewDecoder(bufio.NewReader(in))
	for next := 0; ; {
		var o order
		if err := orders.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read order: %w", err)
		}
		if err := send(ctx, sim, talker.ID, bots, &next, o); err != nil {
			return err
		}
		if err := lines.Encode(o); err != nil {
			return err
		}
	}
}

// send sends to the bots in turn; next goes on over orders.
func send(ctx context.Context, sim *simulator.Simulator, from int64, bots []int64, next *int, o order) error {
	began := time.Now()
	for i := range o.N {
		if o.Rate > 0 {
			due := began.Add(time.Duration(i) * time.Second / time.Duration(o.Rate))
			wait := time.NewTimer(time.Until(due))
			select {
			case <-wait.C:
			case <-ctx.Done():
				wait.Stop()
				return ctx.Err()
			}
		}
		*next++
		if _, err := sim.World().Say(from, bots[*next%len(bots)], stamp(time.Now())); err != nil {
			return err
		}
	}
	return nil
}
