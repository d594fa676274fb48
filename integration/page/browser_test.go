package page

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// patience bounds how long a test waits for something that must happen. It judges nothing: machines are slow at times.
const patience = 90 * time.Second

// evil is a site's name that the browser finds on this machine, as after DNS rebinding.
const evil = "evil.example"

// tab is a browser with one page open. What the browser complains about is kept.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string // of scripts and of the page's policy
	network    []string // of answers that are no success
}

// openTab starts a browser that reaches nothing but this machine, and ends it with the test.
func openTab(t *testing.T, more ...chromedp.ExecAllocatorOption) *tab {
	t.Helper()
	if chromium == "" {
		t.Skip("no Chromium here: the page is not looked at (Debian: apt-get install chromium)")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1366, 900),
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("proxy-server", "http://127.0.0.1:1"),
		chromedp.Flag("proxy-bypass-list", "127.0.0.0/8;localhost;"+evil),
		chromedp.Flag("host-resolver-rules", "MAP "+evil+" 127.0.0.1"),
		chromedp.WSURLReadTimeout(patience),
	)
	ctx, end := chromedp.NewExecAllocator(t.Context(), append(options, more...)...)
	t.Cleanup(end)
	ctx, closeTab := chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {})) // of events that chromedp is too old for
	t.Cleanup(closeTab)
	b := &tab{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, b.hear)
	require.NoError(t, chromedp.Run(ctx, chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := cdppage.AddScriptToEvaluateOnNewDocument(`document.addEventListener("securitypolicyviolation",
			e => console.error("policy: " + e.violatedDirective + " " + e.blockedURI))`).Do(ctx)
		return err
	})))
	return b
}

func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		for _, a := range e.Args {
			b.complaints = append(b.complaints, fmt.Sprintf("console.%s %s", e.Type, a.Value))
		}
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, e.ExceptionDetails.Error())
	case *log.EventEntryAdded:
		if e.Entry.Source == log.SourceNetwork {
			b.network = append(b.network, e.Entry.Text+" "+e.Entry.URL)
		} else {
			b.complaints = append(b.complaints, string(e.Entry.Source)+": "+e.Entry.Text)
		}
	}
}

// calm requires that the browser has had nothing to complain about. With refusals, answers that are no success are none.
func (b *tab) calm(refusals bool) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Empty(b.t, b.complaints)
	if !refusals {
		require.Empty(b.t, b.network)
	}
}

func (b *tab) do(actions ...chromedp.Action) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Run(b.ctx, actions...))
}

func (b *tab) open(url string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url))
}

// eval returns what a JavaScript expression is worth.
func eval[T any](b *tab, expression string) (value T) {
	b.t.Helper()
	b.do(chromedp.Evaluate(expression, &value))
	return value
}

// until waits until an expression is true. Chromium's own polling would need the page's policy to allow eval.
func (b *tab) until(expression string) {
	b.t.Helper()
	for began := time.Now(); !eval[bool](b, "Boolean("+expression+")"); {
		if time.Since(began) > patience {
			b.keep("late")
			b.t.Fatalf("never true: %s\nthe page:\n%s\n%s %s", expression, eval[string](b, "document.body.innerText"), b.complaints, b.network)
		}
		select {
		case <-time.After(30 * time.Millisecond):
		case <-b.t.Context().Done():
		}
	}
}

// press types keys, by their names in package kb.
func (b *tab) press(keys ...string) {
	b.t.Helper()
	for _, k := range keys {
		b.do(chromedp.KeyEvent(k))
	}
}

// tabTo presses Tab until what has the focus matches a selector.
func (b *tab) tabTo(selector string) {
	b.t.Helper()
	for range 80 {
		if eval[bool](b, fmt.Sprintf("document.activeElement.matches(%q)", selector)) {
			return
		}
		b.press(kb.Tab)
	}
	b.t.Fatalf("%s cannot be reached by Tab; the focus is on %s", selector, eval[string](b, "document.activeElement.outerHTML.slice(0, 200)"))
}

// look sets how the page is looked at.
func (b *tab) look(scheme string, width, height int64) {
	b.t.Helper()
	b.do(emulation.SetDeviceMetricsOverride(width, height, 1, false),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
}

// keep writes a picture of the page to $GRAFNODE_PAGE_PICTURES, for people.
func (b *tab) keep(name string) {
	b.t.Helper()
	dir := os.Getenv("GRAFNODE_PAGE_PICTURES")
	if dir == "" {
		return
	}
	var picture []byte
	b.do(chromedp.FullScreenshot(&picture, 100))
	name = strings.ReplaceAll(b.t.Name(), "/", "-") + "-" + name + ".png"
	require.NoError(b.t, os.WriteFile(dir+"/"+name, picture, 0o600))
}

// action is a JavaScript statement to be done.
func action(statement string) chromedp.Action {
	return chromedp.Evaluate(statement+"; true", new(bool))
}

// awaited gives then what a promise comes to.
func awaited(promise string, then func(string)) chromedp.Action {
	return chromedp.ActionFunc(func(ctx context.Context) error {
		var got string
		err := chromedp.Evaluate(promise, &got, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }).Do(ctx)
		if err == nil {
			then(got)
		}
		return err
	})
}
