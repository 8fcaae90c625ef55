package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"

	"github.com/telefleet/orchestrator/simulator"
	"github.com/telefleet/orchestrator/simulator/model"
	"github.com/telefleet/orchestrator/simulator/mtserver"
)

// numbers are what a child measured, by key.
type numbers map[string]float64

// job is what a child is asked for.
type job struct {
	What string `json:"what"`
	N    int    `json:"n"`
	// Channels that each account tracks to begin with.
	Channels int        `json:"channels"`
	Server   serverInfo `json:"server"`
	// Profile is where ours writes its profiles; empty: nowhere.
	Profile string `json:"profile,omitempty"`
}

// serverInfo tells clients where the server is and who may log in.
type serverInfo struct {
	DCFile string   `json:"dc_file"`
	Tokens []string `json:"tokens"`
	Keys   string   `json:"keys"` // file of logged-in sessions
	// Control is where a client asks for messages, POST /say?n=1000&bots=1, and for somebody to write to,
	// POST /greet.
	Control string `json:"control"`
}

// serverProcess is the one server of a comparison.
type serverProcess struct {
	cmd  *exec.Cmd
	in   io.Closer
	dir  string
	info serverInfo
}

func startServer(bots int) (*serverProcess, error) {
	dir, err := os.MkdirTemp("", "orchestrator-bench-")
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own binary: %w", err)
	}
	s := &serverProcess{dir: dir, cmd: exec.Command(self, "-role", "server", "-bots", strconv.Itoa(bots))}
	s.cmd.Dir, s.cmd.Stderr = dir, os.Stderr
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&s.info); err != nil {
		s.stop()
		return nil, fmt.Errorf("start server: %w", err)
	}
	s.info.DCFile, s.info.Keys = dir+"/dcs.json", dir+"/keys.json"
	if _, err := child("ours", job{What: "prepare", N: bots, Server: s.info}); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *serverProcess) stop() {
	_ = s.in.Close() // the server ends with its standard input
	_ = s.cmd.Wait()
	_ = os.RemoveAll(s.dir)
}

// serve is the server's part: for so many bots.
func serve(bots int) error {
	sim, err := simulator.Start(context.Background(), simulator.Config{
		DCs: []int{2}, Seed: 1, Model: model.Config{Plain: true}, Server: mtserver.Config{PushQueue: 1 << 20},
	})
	if err != nil {
		return err
	}
	var info serverInfo
	var ids []int64
	for i := range bots {
		b, err := sim.AddBot(simulator.BotSpec{Name: "bench", Username: fmt.Sprintf("bench%05d_bot", i), HomeDC: 2})
		if err != nil {
			return err
		}
		info.Tokens = append(info.Tokens, b.Token)
		ids = append(ids, b.ID)
	}
	talker, err := sim.AddUser(simulator.UserSpec{Phone: "+15550000001", FirstName: "talker", HomeDC: 2})
	if err != nil {
		return err
	}
	listener, err := control(sim, talker.ID, ids)
	if err != nil {
		return err
	}
	defer listener.Close()
	info.Control = listener.Addr().String()
	if err := sim.WriteDCFile("dcs.json"); err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(info); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent ends
	return sim.Close()
}

func child(role string, t job) (numbers, error) {
	task, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own binary: %w", err)
	}
	cmd := exec.Command(self, "-role", role)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(task), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", role, t.What, err)
	}
	var n numbers
	if err := json.Unmarshal(out, &n); err != nil {
		return nil, fmt.Errorf("%s %s: %w", role, t.What, err)
	}
	return n, nil
}
