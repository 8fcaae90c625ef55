package client

// Prefer makes the next call go to the node at an address, if it is well.
func (c *Client) Prefer(address string) { c.calls.Pool.Prefer(address) }
