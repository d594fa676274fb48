package registry

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A follower that hears nothing, and a leader that loses its followers and learns of it by its lease, tell their watchers
// before three election timeouts are over; and not before two, so that an ordinary election ends no watch.
func TestWatchersAreToldInTime(t *testing.T) {
	const election, lease = time.Second, 900 * time.Millisecond
	for name, look := range map[string]func(cut time.Time) contact{
		"follower": func(cut time.Time) contact { return contact{silence: time.Since(cut)} },
		"leader": func(cut time.Time) contact {
			if since := time.Since(cut); since > lease {
				return contact{silence: since - lease}
			}
			return contact{leads: true, known: true}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				c, heals := newCutOff(), make(chan none)
				cut := time.Now()
				go c.watch(ctx, election, lease, func() contact {
					select {
					case <-heals:
						return contact{known: true}
					default:
						return look(cut)
					}
				})
				<-c.now()
				require.Less(t, time.Since(cut), 3*election)
				require.Greater(t, time.Since(cut), 2*election)
				close(heals)
				time.Sleep(election)
				select {
				case <-c.now():
					t.Fatal("back, and still told to be cut off")
				default:
				}
			})
		})
	}
}
