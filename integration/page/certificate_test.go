package page

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/internal/pki"
)

// takesIn makes the home of a browser that has taken in what docs/ui.md says: the authority and, if there is one, a person's pair. The policy answers for
// the person when the browser asks which certificate to show. Last, the browser is started, where the policies are not this machine's.
const takesIn = `mkdir -p "$HOME/.pki/nssdb" "$HOME/etc/policies/managed"
certutil -N --empty-password -d "sql:$HOME/.pki/nssdb"
certutil -A -n authority -t C,, -i "$1" -d "sql:$HOME/.pki/nssdb"
if [ "$2" ]; then
	openssl pkcs12 -export -in "$2" -inkey "$3" -out "$HOME/person.p12" -passout pass:secret
	pk12util -i "$HOME/person.p12" -W secret -d "sql:$HOME/.pki/nssdb"
fi
echo '{"AutoSelectCertificateForUrls": ["{\"pattern\": \"https://localhost\", \"filter\": {}}"]}' >"$HOME/etc/policies/managed/show.json"
cat >"$HOME/browser" <<BROWSER
#!/bin/sh
export HOME="$HOME"
exec unshare --mount sh -euc 'mount --bind "\$HOME/etc" "$4"; exec "\$0" "\$@"' "$5" "\$@"
BROWSER
chmod +x "$HOME/browser"`

// policies is where Debian's browser looks for them.
const policies = "/etc/chromium"

// openTabAs is openTab for somebody who has the pair of certificate and key, or none.
func openTabAs(t *testing.T, who identity.Files) *tab {
	t.Helper()
	home := t.TempDir()
	cmd := exec.Command("sh", "-euc", takesIn, "sh", who.CA, who.Cert, who.Key, policies, chromium)
	cmd.Env = append(os.Environ(), "HOME="+home)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return openTab(t, chromedp.ExecPath(filepath.Join(home, "browser")))
}

func needsCertificatesInTheBrowser(t *testing.T) {
	if os.Getenv("GRAFNODE_CI") == "" {
		t.Skip("needs root and time: set GRAFNODE_CI=1, as `make ci` does")
	}
	if chromium == "" {
		t.Skip("no Chromium here")
	}
	for _, tool := range []string{"certutil", "pk12util", "openssl", "unshare"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no certificate can be put into a browser: %v (Debian: apt-get install libnss3-tools openssl)", err)
		}
	}
	if _, err := os.Stat(policies); err != nil || os.Geteuid() != 0 {
		t.Skip("a browser with policies of its own needs root, and Debian's Chromium")
	}
	if out, err := exec.Command("unshare", "--mount", "true").CombinedOutput(); err != nil {
		t.Skipf("%v: %s", err, out)
	}
}

// Persons show their certificates in the browser itself, as docs/ui.md says, and may there what their roles may. Without one they are told nothing, and
// with another authority's they get no connection. A token that a script shows beside a certificate is all that counts.
func TestCertificatesInTheBrowser(t *testing.T) {
	needsCertificatesInTheBrowser(t)
	c := start(t, 2, true)
	c.flow(name, c.stage(0, "orders.read"), c.stage(1, "orders.store"), "orders.read", "orders.store")
	authority, err := identity.ReadPair(filepath.Join(c.dir, pki.Authority+".pem"), filepath.Join(c.dir, pki.Authority+"-key.pem"))
	require.NoError(t, err)
	issue := func(who string, role identity.Role) identity.Files {
		pair, err := authority.Issue(who, role, time.Hour)
		require.NoError(t, err)
		files := pki.Dir(c.dir).Files(who)
		require.NoError(t, pair.Write(files.Cert, files.Key))
		return files
	}
	page := "https://localhost:" + portOf(t, "https://"+c.nodes[0].Address) + "/ui/"

	t.Run("operator", func(t *testing.T) {
		b := openTabAs(t, issue("ada", identity.Operator))
		b.open(page)
		b.until(cell("state") + ` === "flowing"`)
		b.calm(false)
		drainNode(b, "node-2")
		b.until(row("node-2") + `.includes("drained") && ` + cell("ring on") + ` === "node-1"`)
		shows(b, c.token(t))
	})
	t.Run("client", func(t *testing.T) {
		b := openTabAs(t, issue("viewer", identity.Client))
		b.open(page)
		b.until(cell("state") + ` === "flowing"`)
		b.calm(false)
		is := fetched(b, fmt.Sprintf(`fetch("/v1/edges/%s/relocate", {method: "POST"})`, name))
		require.Contains(t, is, "403 ")
		require.Contains(t, is, "operate")
	})
	t.Run("nobody", func(t *testing.T) {
		b := openTabAs(t, identity.Files{CA: pki.Dir(c.dir).Files("node-1").CA})
		b.open(page)
		b.until(`document.getElementById("banner").innerText.includes("without a certificate")`)
	})
	t.Run("another authority's operator", func(t *testing.T) {
		other := pki.Dir(t.TempDir())
		_, err := other.Setup([]string{"node-1"}, time.Hour, time.Hour)
		require.NoError(t, err)
		who := other.Files(pki.Operator)
		who.CA = pki.Dir(c.dir).Files("node-1").CA
		b := openTabAs(t, who)
		require.ErrorContains(t, chromedp.Run(b.ctx, chromedp.Navigate(page)), "net::ERR_") // of one name or another: the node refuses after its half of the handshake
	})
}

// token makes one that is good for other edges.
func (c *cluster) token(t *testing.T) (secret string) {
	a, err := client.NewAPI(c.nodes[0].Socket, client.APIConfig{})
	require.NoError(t, err)
	defer a.Close()
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		made, err := a.CreateToken(t.Context(), api.TokenRequest{Name: "etl", Rules: api.Rules{{Prefix: "etl.", Rights: []api.Right{api.RightRead}}}})
		if err == nil {
			return made.Secret
		}
		require.True(t, errors.Is(err, api.ErrUnavailable) && time.Since(began) < patience, "%v", err)
	}
}

// fetched returns the status and the body that a promise of an answer comes to.
func fetched(b *tab, promise string) (is string) {
	b.t.Helper()
	b.do(awaited(promise+`.then(async r => r.status + " " + await r.text(), e => String(e))`, func(got string) { is = got }))
	return is
}

// shows checks that a script of the page may, by a token, what the token may, and not what the certificate of the same browser would.
func shows(b *tab, secret string) {
	b.t.Helper()
	headers := fmt.Sprintf(`{headers: {Authorization: "Bearer %s"}}`, secret)
	require.Contains(b.t, fetched(b, `fetch("/v1/edges")`), name)
	all := fetched(b, `fetch("/v1/edges", `+headers+`)`)
	require.Contains(b.t, all, "200 ")
	require.NotContains(b.t, all, name)
	require.Contains(b.t, fetched(b, fmt.Sprintf(`fetch("/v1/edges/%s", %s)`, name, headers)), "403 ")
	require.Contains(b.t, fetched(b, `fetch("/v1/edges", {headers: {Authorization: "Bearer nonsense"}})`), "403 ")
}
