// Package webhooks posts events to URLs as Standard Webhooks defines
// (github.com/standard-webhooks/standard-webhooks): signatures and their keys, the rule about where
// a post may go, one post, and the pump that posts what a source of deliveries hands out.
//
// # Usage
//
//	poster := webhooks.NewPoster(webhooks.Policy{}, nil)
//	defer poster.Close()
//	reason, err := (&webhooks.Pump{Source: s, Poster: poster, Hook: h, ...}).Run(ctx)
//
// # Concurrency
//
// A Poster is safe for concurrent use. Pump.Run waits for the posts that it began.
//
// # Errors
//
// A URL that may not be used is reason URL_REFUSED. A post that fails is an Answer, not an error;
// its text holds no part of the URL beyond the host, and nothing of the event.
package webhooks
