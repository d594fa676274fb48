package accesslog

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"
)

// Generate writes n lines of an access log to w, the same for the same seed. About one in a hundred is malformed in one of the
// ways that real logs are; some end in CR LF, some hold bytes that are not UTF-8, and the last has no newline.
func Generate(w io.Writer, seed uint64, n int) error {
	g := generator{
		rnd: rand.New(rand.NewPCG(seed, uint64(n))),
		now: time.Date(2026, time.March, 1, 0, 0, 0, 0, time.FixedZone("", 3600)),
	}
	out := bufio.NewWriter(w)
	for range n - 1 {
		if _, err := out.WriteString(g.line() + g.lineEnd()); err != nil {
			return err
		}
	}
	if n > 0 { // never blank: without a newline that would be no line
		if _, err := out.WriteString(g.wellFormed()); err != nil {
			return err
		}
	}
	return out.Flush()
}

type generator struct {
	rnd *rand.Rand
	now time.Time
}

func pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }

func (g *generator) lineEnd() string {
	if g.rnd.IntN(50) == 0 {
		return "\r\n"
	}
	return "\n"
}

func (g *generator) line() string {
	if g.rnd.IntN(100) == 0 {
		return g.malformed()
	}
	return g.wellFormed()
}

var (
	sections = []string{"blog", "files", "images", "docs", "projects", "presentations"}
	names    = []string{"index.html", "kibana.png", "style.css", "logo.png", "feed", "main.js", "", "caf\xe9.html", "a\\\"b"}
	queries  = []string{"", "", "", "", "?flav=rss20", "?page=2", "?q=a+b&n=10", "?u=http://example.org/?x"}
	referers = []string{"-", "-", "http://www.google.com/url?q=\\\"ring\\\"", "http://example.org/blog/", "https://example.com/"}
	agents   = []string{
		"-",
		"curl/7.68.0",
		"Mozilla/5.0 (X11; Linux x86_64; rv:27.0) Gecko/20100101 Firefox/27.0",
		"Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/32.0.1700.107 Safari/537.36",
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
		"Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; Trident/5.0)",
		"Tiny Tiny RSS/1.11 (http://tt-rss.org/)",
		"na\xefve \\\"client\\\" \\\\",
	}
)

func (g *generator) wellFormed() string {
	g.now = g.now.Add(time.Duration(g.rnd.IntN(4000)) * time.Millisecond)
	size := "-"
	if g.rnd.IntN(10) > 0 {
		size = fmt.Sprint(g.rnd.IntN(300_000))
	}
	return fmt.Sprintf(`198.51.100.%d - - [%s] "%s /%s/%s%s HTTP/1.%d" %s %s "%s" "%s"`,
		g.rnd.IntN(256), g.now.Format(timeLayout), pick(g.rnd, []string{"GET", "GET", "GET", "HEAD", "POST"}),
		pick(g.rnd, sections), pick(g.rnd, names), pick(g.rnd, queries), g.rnd.IntN(2),
		pick(g.rnd, []string{"200", "200", "200", "200", "304", "301", "404", "500"}), size,
		pick(g.rnd, referers), pick(g.rnd, agents))
}

func (g *generator) malformed() string {
	line := g.wellFormed()
	switch g.rnd.IntN(6) {
	case 0:
		return ""
	case 1:
		return line[:g.rnd.IntN(len(line))] // cut off
	case 2:
		return strings.Replace(line, " HTTP/1.", " extra HTTP/1.", 1)
	case 3:
		return strings.Replace(line, "/Mar/", "/Foo/", 1)
	case 4:
		return line + " more"
	default:
		return "\x16\x03\x01\x00\xa5\x01" // a TLS hello, sent to the wrong port
	}
}
