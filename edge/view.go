package edge

// beginView gives mu up for the time that a record of the ring is looked at: it keeps its space, and its memory, meanwhile.
func (c *receiver) beginView() {
	c.viewing = true
	c.mu.Unlock()
}

func (c *receiver) endView() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.viewing = false
	c.viewed.Broadcast()
	if c.owed > 0 {
		c.settle(false)
	}
}
