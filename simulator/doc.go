// Package simulator is a local Telegram: several DCs on real TCP, users, bots, groups and
// channels, and a ledger of everything that it owes its accounts. It joins the protocol
// half (package mtserver) with the model half (package model), and shares no code with our
// client, so that client and judge cannot share a misreading.
//
// # Usage
//
//	sim, err := simulator.Start(ctx, simulator.Config{Seed: 1})
//	sim.AddUser(simulator.UserSpec{Phone: "+15550001", FirstName: "Ann", HomeDC: 2})
//	sim.WriteDCFile("dcs.json") // for clients: addresses and public keys
//	code, ok := sim.LoginCode("+15550001")
//	sim.Close()
//
// # Concurrency
//
// All methods may be called from any goroutine. Close waits for all goroutines.
//
// # Errors
//
// Start fails if it cannot listen. What clients do wrong is answered to them.
package simulator
