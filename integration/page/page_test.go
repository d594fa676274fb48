package page

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/internal/pki"
)

const name = "orders.read"

const ring = `.ring[data-edge="` + name + `"]`

// row is the text of a node's row, cell is that of one of the edge's cells.
func row(node string) string {
	return fmt.Sprintf(`([...document.querySelectorAll("#nodes tr")].find(r => r.cells[0].textContent === %q)?.innerText ?? "")`, node)
}

func cell(head string) string {
	return fmt.Sprintf(`([...document.querySelectorAll("#edges tr")].find(r => r.cells[0].innerText === %q)?.querySelector("[data-head='%s']")?.innerText ?? "")`, name, head)
}

// A person with a keyboard and no mouse moves a ring to node-3, sees that node die and the edge go on, and drains another.
func TestThePageIsLive(t *testing.T) {
	b := openTab(t)
	c := start(t, 3, false)
	c.flow(name, c.stage(0, "orders.read"), c.stage(1, "orders.store"), "orders.read", "orders.store")
	b.open("http://" + c.nodes[0].Address)
	b.until(`location.pathname === "/ui/" && document.getElementById("live").innerText === "live"`)
	b.do(mark)
	for _, n := range c.nodes {
		b.until(row(n.Name) + `.includes("alive")`)
	}
	b.until(cell("state") + ` === "flowing"`)
	b.until(cell("items/s") + ` !== "–"`)
	b.until(`document.querySelector('` + ring + `').textContent.includes("/s")`)
	b.calm(false)

	b.tabTo(ring)
	b.press(kb.Enter)
	b.until(`document.querySelector(".details h3").innerText === "` + name + `"`)
	b.until(`document.querySelector(".details .history tbody").innerText.includes("created")`)
	for !strings.HasPrefix(c.edge(0, name).Locator.Address, c.nodes[2].Address) { // a busy machine may lose a ring at any time
		moveTo(b, "node-3")
	}
	agree(b, c)
	b.until(`document.querySelector(".details .rewire h4").innerText.includes("generation")`)
	b.until(`document.querySelectorAll(".details .rewire .phase.first").length > 0`)
	b.calm(false)

	before := generation(b)
	c.processes[2].Kill()
	b.until(fmt.Sprintf(`Number(%s) > %d && %s !== "node-3" && %s === "flowing"`, cell("generation"), before, cell("ring on"), cell("state")))
	b.until(row("node-3") + `.includes("dead")`)
	b.until(`!document.getElementById("banner").hidden`)
	b.until(`document.getElementById("log").innerText.includes("node-3 is dead")`)
	b.until(`document.getElementById("said").textContent !== ""`)
	agree(b, c)
	b.keep("failed")

	drainNode(b, "node-2")
	b.until(row("node-2") + `.includes("drained") && ` + cell("ring on") + ` === "node-1"`)
	b.tabTo(`[aria-label="Enable node-2"]`)
	b.press(kb.Enter, kb.Enter)
	b.until(`!` + row("node-2") + `.includes("drained")`)
	require.Equal(t, "still here", eval[string](b, "window.mark"), "without reload")
	b.calm(true) // the reports of the dead node's stages are asked for in vain by the node, and not by the page

	c.processes[0].Kill()
	b.until(`document.getElementById("live").innerText.startsWith("not live since")`)
	b.until(`document.getElementById("banner").innerText.includes("` + c.nodes[1].Address + `/ui/")`)
}

// agree waits until the page's table and its details have the generation that the registry has.
func agree(b *tab, c *cluster) {
	b.t.Helper()
	for began := time.Now(); ; {
		is := c.edge(0, name).Generation
		if is == generation(b) && eval[bool](b, fmt.Sprintf(`document.querySelector(".details .record").innerText.includes("generation\n%d\n")`, is)) {
			return
		}
		require.Less(b.t, time.Since(began), patience, "generation %d", is)
	}
}

func generation(b *tab) (n fence.Epoch) {
	b.t.Helper()
	v, err := strconv.ParseUint(eval[string](b, cell("generation")), 10, 64)
	require.NoError(b.t, err)
	return fence.Epoch(v)
}

// moveTo moves the chosen edge to a node, from its details on.
func moveTo(b *tab, node string) {
	b.t.Helper()
	b.tabTo(".details .move")
	b.press(kb.Enter)
	b.until(`document.getElementById("dialog").open`)
	others := eval[[]bool](b, fmt.Sprintf(`[...document.querySelectorAll("#dialog [name=avoid]")].map(i => i.checked === i.parentNode.innerText.startsWith(%q))`, node))
	for _, wrong := range others { // each box is to be checked unless it is the node's
		if wrong {
			b.press(" ")
		}
		b.press(kb.Tab)
	}
	b.tabTo("#dialog .main")
	b.press(kb.Enter)
	b.until(`!document.getElementById("dialog").open`)
	b.until(`document.activeElement.matches(".details .move")`) // and the focus is back
}

func drainNode(b *tab, node string) {
	b.t.Helper()
	b.tabTo(fmt.Sprintf(`[aria-label="Drain %s"]`, node))
	b.press(kb.Enter)
	b.until(`document.activeElement.name === "drain"`)
	b.press(kb.Escape)
	b.until(`!document.getElementById("dialog").open`)
	b.until(fmt.Sprintf(`document.activeElement.ariaLabel === "Drain %s"`, node))
	b.press(kb.Enter)
	b.tabTo("#dialog .main")
	b.press(kb.Enter)
	b.until(`!document.getElementById("dialog").open`)
}

// mark is there until the page is loaded anew.
var mark = action(`window.mark = "still here"`)

// A program's certificate may look and nothing else; without one, nothing is told. Both are said plainly.
func TestThePageSaysWhatIsRefused(t *testing.T) {
	b := openTab(t)
	c := start(t, 1, true)
	c.flow(name, c.stage(0, "orders.read"), c.stage(0, "orders.store"), "orders.read", "orders.store")
	authority, err := identity.ReadPair(filepath.Join(c.dir, pki.Authority+".pem"), filepath.Join(c.dir, pki.Authority+"-key.pem"))
	require.NoError(t, err)
	pair, err := authority.Issue("viewer", identity.Client, time.Hour)
	require.NoError(t, err)
	viewer := pki.Dir(c.dir).Files("viewer")
	require.NoError(t, pair.Write(viewer.Cert, viewer.Key))

	b.open(inFront(t, c.nodes[0].Address, viewer).URL + "/ui/")
	b.until(cell("state") + ` === "flowing"`)
	was := c.edge(0, name).Generation
	b.calm(false)
	b.tabTo(`[aria-label="Drain node-1"]`)
	b.press(kb.Enter)
	b.tabTo("#dialog .main")
	b.press(kb.Enter)
	b.until(`document.querySelector("#dialog [role=alert]").innerText.startsWith("Refused (forbidden)")`)
	require.Contains(t, eval[string](b, `document.querySelector("#dialog [role=alert]").innerText`), `"operate"`)
	b.keep("refused")
	b.press(kb.Escape)
	b.tabTo(ring)
	b.press(kb.Enter)
	b.tabTo(".details .move")
	b.press(kb.Enter)
	b.tabTo("#dialog .main")
	b.press(kb.Enter)
	b.until(`document.querySelector("#dialog [role=alert]").innerText.startsWith("Refused (forbidden)")`)
	require.Equal(t, was, c.edge(0, name).Generation)
	b.calm(true)

	b.open(inFront(t, c.nodes[0].Address, identity.Files{CA: viewer.CA}).URL + "/ui/")
	b.until(`document.getElementById("banner").innerText.includes("without a certificate")`)
	b.calm(true)
}

// inFront is a server to which browsers need no certificate, and which shows one of its own to a node: TestCertificatesInTheBrowser has what it takes
// for the browser to have one.
func inFront(t *testing.T, node string, who identity.Files) *httptest.Server {
	pem, err := os.ReadFile(who.CA)
	require.NoError(t, err)
	with, err := identity.Anonymous(pem)
	require.NoError(t, err)
	if who.Cert != "" {
		id, err := identity.Open(who)
		require.NoError(t, err)
		with = id.Client()
	}
	target, err := url.Parse("https://" + node)
	require.NoError(t, err)
	front := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		Transport:     &http.Transport{TLSClientConfig: with},
		FlushInterval: -1,
	})
	t.Cleanup(func() {
		front.CloseClientConnections()
		front.Close()
	})
	return front
}

// A site in the same browser can neither change nor read anything, not even if its own name leads to the node.
func TestAnotherSiteInTheBrowser(t *testing.T) {
	b := openTab(t)
	c := start(t, 1, false)
	c.flow(name, c.stage(0, "orders.read"), c.stage(0, "orders.store"), "orders.read", "orders.store")
	was := c.edge(0, name)
	node := "http://" + c.nodes[0].Address
	_, port, err := net.SplitHostPort(c.nodes[0].Address)
	require.NoError(t, err)
	id := string(was.Locator.Node)

	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<!doctype html><form method=post action="%s/v1/edges/%s/relocate"></form><iframe src="%s/ui/"></iframe>`, node, name, node)
	}))
	defer site.Close()
	for _, from := range []string{site.URL, "http://localhost:" + portOf(t, site.URL)} {
		b.open(from)
		for _, fetch := range []string{
			`fetch("%[1]s/v1/edges/%[2]s/relocate", {method: "POST", mode: "no-cors"})`,
			`fetch("%[1]s/v1/nodes/%[3]s/drain", {method: "POST", mode: "no-cors", body: '{"drain":"until-enabled","force":true}'})`,
			`fetch("%[1]s/v1/edges/%[2]s", {method: "DELETE"})`,
			`fetch("%[1]s/v1/edges")`,
		} {
			b.do(awaited(fmt.Sprintf(fetch, node, name, id)+`.then(r => r.type === "opaque" ? "sent" : r.text(), () => "kept from it")`, func(got string) {
				require.Contains(t, []string{"sent", "kept from it"}, got, fetch)
			}))
		}
		b.do(action(`document.forms[0].submit()`))
		b.until(`document.body?.innerText.includes("another site")`)
	}

	b.open("http://" + evil + ":" + port + "/ui/") // the browser takes it for its own node's
	b.until(`document.getElementById("banner")?.innerText.includes('this node is not called "` + evil + `')`)
	b.do(awaited(`fetch("/v1/edges/`+name+`/relocate", {method: "POST"}).then(r => r.text())`, func(got string) { require.Contains(t, got, "forbidden") }))
	b.do(awaited(`fetch("/v1/edges").then(r => r.text())`, func(got string) { require.NotContains(t, got, name) }))

	now := c.edge(0, name)
	require.Equal(t, was.Generation, now.Generation)
	require.Equal(t, was.Spare, now.Spare)
}

func portOf(t *testing.T, address string) string {
	u, err := url.Parse(address)
	require.NoError(t, err)
	return u.Port()
}
