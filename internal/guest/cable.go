package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"
)

// control returns where the emulator listens for commands, in its protocol QMP.
func control(c Config) string { return filepath.Join(c.Dir, fmt.Sprintf("control-%d", c.Number)) }

// cableTimeout bounds the emulator's answer.
const cableTimeout = 30 * time.Second

// Cable pulls the cable out of the machine's card, or puts it back. What is sent meanwhile is lost; the other machine sees nothing of it.
func (m *Machine) Cable(in bool) (err error) {
	conn, err := net.Dial("unix", m.control)
	if err != nil {
		return fmt.Errorf("%s: %w", m.p.Name, err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := conn.SetDeadline(time.Now().Add(cableTimeout)); err != nil {
		return err
	}
	type object = map[string]any
	from, to := json.NewDecoder(conn), json.NewEncoder(conn)
	var greeting object
	if err := from.Decode(&greeting); err != nil {
		return fmt.Errorf("%s: %w", m.p.Name, err)
	}
	for _, command := range []object{{"execute": "qmp_capabilities"}, {"execute": "set_link", "arguments": object{"name": "cable", "up": in}}} {
		if err := to.Encode(command); err != nil {
			return fmt.Errorf("%s: %w", m.p.Name, err)
		}
		for answered := false; !answered; {
			var answer struct {
				Return *struct{}        `json:"return"`
				Error  *json.RawMessage `json:"error"`
			}
			if err := from.Decode(&answer); err != nil {
				return fmt.Errorf("%s: %w", m.p.Name, err)
			}
			if answer.Error != nil {
				return fmt.Errorf("%s: %v: %s", m.p.Name, command, *answer.Error)
			}
			answered = answer.Return != nil // else it is an event
		}
	}
	return nil
}
