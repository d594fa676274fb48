package traces

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/locator"
)

const (
	waitingMax  = 1024 // rewires that wait to be sent
	batchMax    = 128  // of them in one request
	sendTimeout = 10 * time.Second
	tries       = 5           // of one request
	pauseMin    = time.Second // before the second, twice as long before each further one, unless the collector says how long
	pauseMax    = time.Minute // however long it says
	lastTimeout = 2 * time.Second
	answerMax   = 64 << 10 // bytes of an answer that are read
)

// Config says where spans go, and whose they are.
type Config struct {
	Endpoint string // http://host:port or https://: the collector; /v1/traces is added
	Node     locator.NodeID
	Name     string // of the node
	Zone     string
	Version  string
	Cluster  func() string // the cluster's ID; must not block
	Logger   *slog.Logger
}

// Validate reports what is wrong with c. It does not repeat the address, which may have a password in it.
func (c Config) Validate() error {
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("must be the collector's address, such as http://127.0.0.1:4318, and no more")
	}
	return nil
}

// Exporter sends. All methods are safe for concurrent use.
type Exporter struct {
	c       Config
	url     string
	http    *http.Client
	waiting chan api.Trace
	ending  chan struct{} // closed by Close: what waits is sent, once
	life    context.Context
	end     context.CancelFunc
	tasks   sync.WaitGroup
	closing sync.Once

	mu      sync.Mutex
	dropped int // since that was last told
}

// New returns an exporter that does nothing yet.
func New(c Config) (*Exporter, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	to, err := url.JoinPath(c.Endpoint, "v1/traces")
	if err != nil {
		return nil, err
	}
	e := &Exporter{
		c: c, url: to, http: &http.Client{Timeout: sendTimeout, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConns: 1, IdleConnTimeout: time.Minute}},
		waiting: make(chan api.Trace, waitingMax), ending: make(chan struct{}),
	}
	e.life, e.end = context.WithCancel(context.Background())
	return e, nil
}

// Open begins to send.
func (e *Exporter) Open() { e.tasks.Go(e.run) }

// Close sends what waits, for two seconds at most, and ends. Idempotent.
func (e *Exporter) Close() error {
	e.closing.Do(func() {
		close(e.ending)
		late := time.AfterFunc(lastTimeout, e.end)
		e.tasks.Wait()
		late.Stop()
		e.end()
		e.http.CloseIdleConnections()
	})
	return nil
}

// Rewired has a rewire sent. It does not block: if too many wait this one is dropped.
func (e *Exporter) Rewired(t api.Trace) {
	select {
	case e.waiting <- t:
	default:
		e.drop(1)
	}
}

func (e *Exporter) drop(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dropped += n
}

func (e *Exporter) run() {
	for {
		select {
		case first := <-e.waiting:
			e.deliver(e.gather(first))
		case <-e.ending:
			select {
			case first := <-e.waiting:
				e.deliver(e.gather(first))
			default:
				return
			}
		}
	}
}

// gather returns what waits, first among it.
func (e *Exporter) gather(first api.Trace) []api.Trace {
	batch := []api.Trace{first}
	for len(batch) < batchMax {
		select {
		case next := <-e.waiting:
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

// deliver sends a batch, again if that may help, and says what was dropped.
func (e *Exporter) deliver(batch []api.Trace) {
	cluster := e.c.Cluster()
	var all []*trace.Span
	for _, t := range batch {
		all = append(all, spans(cluster, t)...)
	}
	body, err := proto.Marshal(message(e.c, cluster, all))
	pause := pauseMin
	for try := 1; err == nil; try++ {
		var asked time.Duration
		asked, err = e.send(body)
		if err == nil || try == tries || !errors.Is(err, errAgain) || !e.pause(max(pause, asked)) {
			break
		}
		pause, err = 2*pause, nil
	}
	if err != nil {
		e.drop(len(batch))
	}
	e.mu.Lock()
	dropped := e.dropped
	e.dropped = 0
	e.mu.Unlock()
	if dropped > 0 {
		e.c.Logger.Warn("traces of rewires were dropped", "count", dropped, "collector", e.url, "error", err)
	}
}

// pause waits, and reports whether there is to be another try: not when the node closes.
func (e *Exporter) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-e.ending:
		return false
	}
}

// errAgain says that the collector may take it later.
var errAgain = errors.New("not now")

// send asks once. If that may be done again, after is how long the collector wants to be left alone.
func (e *Exporter) send(body []byte) (after time.Duration, err error) {
	r, err := http.NewRequestWithContext(e.life, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/x-protobuf")
	r.Header.Set("User-Agent", "grafnode/"+e.c.Version)
	answer, err := e.http.Do(r)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errAgain, err)
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(io.Discard, io.LimitReader(answer.Body, answerMax)); err != nil {
		return 0, fmt.Errorf("%w: %w", errAgain, err)
	}
	switch answer.StatusCode {
	case http.StatusOK, http.StatusAccepted:
		return 0, nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return retryAfter(answer.Header.Get("Retry-After"), time.Now()), fmt.Errorf("%w: %s", errAgain, answer.Status)
	}
	return 0, errors.New(answer.Status)
}

// retryAfter returns how long a header says, as seconds or as a date; zero if it says nothing.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, pauseMax)
	}
	if at, err := http.ParseTime(header); err == nil {
		return min(max(at.Sub(now), 0), pauseMax)
	}
	return 0
}
