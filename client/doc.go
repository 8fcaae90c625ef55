// Package client is the Go SDK of the orchestrator: it calls the control API of one node or of
// several, whichever answers, and gives Telegram accounts, their messages and their events as
// plain Go.
//
// # Usage
//
//	c, err := client.Dial(ctx, []string{"https://n1:8420", "https://n2:8420"}, client.WithToken(token))
//	...
//	defer c.Close()
//	alice := c.Account("alice")
//	sent, err := alice.SendMessage(ctx, "@bob", client.Text("hello"), client.Silent())
//	...
//	for event, err := range c.Events(ctx, client.EventOptions{Kinds: []string{"message_new"}}) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(event.GetMessageNew().GetText())
//	}
//
// Who must not miss an event, and handles it before it counts as handled, takes a consumer:
//
//	for d, err := range c.Consume(ctx, "crm", client.ConsumeOptions{}) {
//		if err != nil {
//			return err
//		}
//		if err := handle(d.Event); err != nil {
//			err = d.Nak(ctx, time.Minute)
//		} else {
//			err = d.Ack(ctx)
//		}
//		...
//	}
//
// Any node takes any call and passes it on to the node that owns the account, so the addresses
// are interchangeable. A client stays with one node while it answers; a node that fails is left
// alone for a while. A call goes on to the next node, at once and then after growing random
// waits, for as long as WithRetry says and its context lasts, when
//
//   - no node can have carried it out: the connection was refused, or the node says that it did
//     not begin; or
//   - repeating does no harm: reads, and commands that lead to one state however often they are
//     given. A message that is sent has a request id for that; any other command can be given
//     one, see WithRequestID.
//
// Other calls whose answer is lost fail, and the caller decides. Messages of the contract
// (package orchestratorv1) are returned as they are.
//
// # Concurrency
//
// Client and Account are safe for concurrent use and keep no goroutine of their own. An iterator
// runs in the goroutine that ranges over it: it reads no further than the loop has come, so a
// slow loop slows the node's reading down and costs no memory. Nothing is sent before the first
// iteration; each range over the same iterator begins anew.
//
// # Errors
//
// Every error of a call is an *Error. Decisions on one reason read
//
//	if errors.Is(err, client.Reason("FLOOD_WAIT")) { ... }
//
// and errors.Is finds context.Canceled and context.DeadlineExceeded too. An iterator ends with
// the error that it yields.
package client
