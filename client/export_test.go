package client

// Prefer makes the next call go to the node at an address, if it is well.
func (c *Client) Prefer(address string) {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	for i, n := range c.pool.nodes {
		if n.address == address {
			c.pool.current = i
		}
	}
}
