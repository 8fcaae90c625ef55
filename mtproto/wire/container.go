package wire

// Container walks through the messages of a msg_container.
type Container struct {
	r    Reader
	left int
}

// ReadContainer checks the whole container (constructor included) before the first message
// is given out: at most MaxContainerMessages, every length divisible by 4 and inside, no
// container in a container.
func ReadContainer(body []byte) (Container, error) {
	r := NewReader(body)
	if r.Uint32() != IDMsgContainer {
		return Container{}, &PacketError{Rule: RuleContainer, Problem: "no container"}
	}
	n := int(r.Int32())
	if r.Err() != nil || n < 0 || n > MaxContainerMessages {
		return Container{}, &PacketError{Rule: RuleContainer, Problem: "container of more than 1,024 messages"}
	}
	c := Container{r: r, left: n}
	for check := c; ; {
		m, ok := check.Next()
		switch {
		case check.r.Err() != nil || ok && len(m.Body)%4 != 0:
			return Container{}, &PacketError{Rule: RuleContainer, Problem: "message in a container with a wrong length"}
		case !ok:
			return c, nil
		case ConstructorID(m.Body) == IDMsgContainer:
			return Container{}, &PacketError{Rule: RuleContainer, Problem: "container in a container"}
		}
	}
}

// Next returns the next message; false at the end.
func (c *Container) Next() (Message, bool) {
	if c.left == 0 {
		return Message{}, false
	}
	c.left--
	m := Message{ID: c.r.Int64(), SeqNo: c.r.Int32()}
	m.Body = c.r.Take(int(c.r.Int32()))
	return m, c.r.Err() == nil
}

// ConstructorID is the first word of a TL object; 0 if there is none.
func ConstructorID(body []byte) uint32 {
	r := NewReader(body)
	return r.Uint32()
}
