package accesslog_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/examples/accesslog"
)

const good = `83.149.9.216 - frank [17/May/2015:10:05:03 -0700] "GET /a/b.png?x=1&y=2 HTTP/1.1" 200 203023 "http://r/" "curl/7.1"`

func TestParse(t *testing.T) {
	q, err := accesslog.Parse(7, []byte(good))
	require.NoError(t, err)
	require.True(t, q.Time.Equal(time.Date(2015, 5, 17, 17, 5, 3, 0, time.UTC)))
	require.Equal(t, "2015-05-17T10:05:03-07:00", q.Time.Format(time.RFC3339))
	q.Time = time.Time{}
	require.Equal(t, accesslog.Request{Line: 7, Remote: "83.149.9.216", Method: "GET", Path: "/a/b.png?x=1&y=2",
		Proto: "HTTP/1.1", Status: 200, Bytes: "203023", Referer: "http://r/", Agent: "curl/7.1"}, q)
}

func TestParseAccepts(t *testing.T) {
	for name, line := range map[string]string{
		"no bytes":                   strings.Replace(good, "203023", "-", 1),
		"bytes beyond 64 bits":       strings.Replace(good, "203023", "123456789012345678901234567890", 1),
		"white space at the end":     good + " \t\v\f\r",
		"empty referer and agent":    strings.Replace(strings.Replace(good, "http://r/", "", 1), "curl/7.1", "", 1),
		"escaped quote":              strings.Replace(good, "curl/7.1", `a \" b`, 1),
		"escaped backslash at end":   strings.Replace(good, "curl/7.1", `a\\`, 1),
		"escaped quote in the path":  strings.Replace(good, "b.png", `\"`, 1),
		"invalid UTF-8":              strings.Replace(good, "curl/7.1", "\xff\xfe", 1),
		"invalid UTF-8 in the host":  "\xff" + good,
		"NUL":                        strings.Replace(good, "curl/7.1", "a\x00b", 1),
		"status outside HTTP's":      strings.Replace(good, " 200 ", " 007 ", 1),
		"IPv6, ident and odd host":   strings.Replace(good, "83.149.9.216 -", `::1 "[id]"`, 1),
		"a tab inside a quoted text": strings.Replace(good, "curl/7.1", "a\tb", 1),
	} {
		_, err := accesslog.Parse(1, []byte(line))
		require.NoError(t, err, name)
	}
}

func TestParseKeepsTextsAsTheyAre(t *testing.T) {
	line := strings.Replace(strings.Replace(good, "curl/7.1", "\xff \\\" \\\\", 1), "b.png", `\"\xe9`, 1)
	q, err := accesslog.Parse(1, []byte(line))
	require.NoError(t, err)
	require.Equal(t, "\xff \\\" \\\\", q.Agent)
	require.Equal(t, `/a/\"\xe9?x=1&y=2`, q.Path)
}

func TestParseRefuses(t *testing.T) {
	for line, reason := range map[string]string{
		"":                 "no host",
		" " + good:         "no host",
		good[:30]:          "no [time]",
		good[:len(good)-1]: "agent is cut off",
		good + " more":     "text after the agent",
		good + `"`:         "text after the agent",
		strings.Replace(good, " - frank", " -  frank", 1):           "no user",
		strings.Replace(good, "frank", "frank smith", 1):            "no [time]",
		strings.Replace(good, "May", "Foo", 1):                      "impossible time",
		strings.Replace(good, "17/May", "32/May", 1):                "impossible time",
		strings.Replace(good, "17/May", "7/May", 1):                 "no [time]",
		strings.Replace(good, "10:05:03", "10:05:60", 1):            "impossible time",
		strings.Replace(good, "10:05:03", "1:05:03.1", 1):           "no [time]",
		strings.Replace(good, "GET ", "", 1):                        "request of 2 parts",
		strings.Replace(good, " HTTP/1.1", " x HTTP/1.1", 1):        "request of 4 parts",
		strings.Replace(good, "GET ", "GET  ", 1):                   "request of 4 parts",
		strings.Replace(good, "GET ", " ", 1):                       "request with an empty or broken part",
		strings.Replace(good, "GET ", "G\tT ", 1):                   "request with an empty or broken part",
		strings.Replace(good, " 200 ", " 20 ", 1):                   "status is not 3 digits",
		strings.Replace(good, " 200 ", " 2000 ", 1):                 "status is not 3 digits",
		strings.Replace(good, " 200 ", " 2x0 ", 1):                  "status is not 3 digits",
		strings.Replace(good, " 200 ", "  200 ", 1):                 "no status",
		strings.Replace(good, "203023", "-1", 1):                    "bytes are neither digits nor '-'",
		strings.Replace(good, "203023", "", 1):                      "no bytes",
		strings.Replace(good, `"http://r/"`, "http://r/", 1):        `no "referer"`,
		strings.Replace(good, `" "curl`, `""curl`, 1):               `no ' ' after the referer`,
		strings.Replace(good, `curl/7.1"`, `curl/7.1\"`, 1):         "agent is cut off",
		strings.Replace(good, `curl/7.1"`, `curl/7.1\`, 1):          "agent is cut off",
		strings.Replace(good, "] ", "]", 1):                         `no ' ' after the time`,
		strings.Replace(good, "83.149.9.216 ", "83.149.9.216\t", 1): `no ' ' after the host`,
	} {
		_, err := accesslog.Parse(1, []byte(line))
		require.ErrorIs(t, err, accesslog.ErrMalformed, "%q", line)
		require.EqualError(t, err, "not in the combined format: "+reason, "%q", line)
	}
}

func TestEnrich(t *testing.T) {
	q, err := accesslog.Parse(1, []byte(strings.Replace(good, "10:05:03", "23:59:59", 1)))
	require.NoError(t, err)
	require.Equal(t, accesslog.Row{Request: q, Client: "curl", StatusClass: "2xx", Page: "/a/b.png", Day: "2015-05-17"},
		accesslog.Enrich(q))
}

func TestClientFamily(t *testing.T) {
	for agent, family := range map[string]string{
		"":  "none",
		"-": "none",
		"Mozilla/5.0 (X11; Linux x86_64; rv:27.0) Gecko/20100101 Firefox/27.0":                                             "Firefox",
		"Mozilla/5.0 (Windows NT 6.1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/32.0 Safari/537.36":                    "Chrome",
		"Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120 Safari/537.36 Edg/120":            "Edge",
		"Mozilla/5.0 (iPad; CPU OS 7_0_4 like Mac OS X) AppleWebKit/537.51.1 (KHTML, like Gecko) Version/7 Safari/9537":    "Safari",
		"Mozilla/5.0 (iPhone) AppleWebKit/536 Safari/8536.25 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": "Googlebot",
		"Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1)":                                                          "Internet Explorer",
		"UniversalFeedParser/4.2-pre-314-svn +http://feedparser.org/":                                                      "feed reader",
		"Chef Client/10.18.2": "other",
	} {
		require.Equal(t, family, accesslog.ClientFamily(agent), agent)
	}
}
