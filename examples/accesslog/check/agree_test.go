package check

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/examples/accesslog"
)

// agree checks that the pipeline's parser and this package's regular expressions say the same of a line.
func agree(t *testing.T, line []byte) {
	t.Helper()
	q, err := accesslog.Parse(1, line)
	want, parses := expect(string(line))
	require.Equal(t, parses, err == nil, "%q: %v", line, err)
	if err != nil {
		return
	}
	w := accesslog.Enrich(q)
	column, differs := want.differs(row{
		line: 1, remote: w.Remote, time: w.Time.Format(time.RFC3339), method: w.Method, path: w.Path, proto: w.Proto,
		status: number(string([]byte{byte('0' + w.Status/100), byte('0' + w.Status/10%10), byte('0' + w.Status%10)})),
		bytes:  number(w.Bytes), referer: w.Referer, agent: w.Agent, client: w.Client, statusClass: w.StatusClass,
		page: w.Page, day: w.Day,
	})
	require.False(t, differs, "%q: %s", line, column)
}

func FuzzParserAgrees(f *testing.F) {
	for _, line := range []string{
		`h i u [17/May/2015:10:05:03 -0700] "GET /a?b HTTP/1.1" 200 1 "r" "a"`,
		`h i u [29/Feb/2016:10:05:03 +2460] "GET / x" 007 - "" "\"\\" ` + "\v\r",
		`h i u [29/Feb/2015:10:05:03 +0000] "GET /" 200 00 "\` + "\xff" + `" ""`,
		`h i u [31/dec/0000:23:59:59 -0000] "a b c" 200 99999999999999999999 "" "" "`,
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		for line := range bytes.SplitSeq(in, []byte{'\n'}) {
			agree(t, line)
		}
	})
}

func TestParserAgreesOnGenerated(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, accesslog.Generate(&b, 42, 20_000))
	for line := range bytes.SplitSeq(b.Bytes(), []byte{'\n'}) {
		agree(t, bytes.TrimSuffix(line, []byte{'\r'}))
	}
}

// TestParserAgreesOnRealLog runs on a log of the user's: GRAFNODE_ACCESS_LOG names it.
func TestParserAgreesOnRealLog(t *testing.T) {
	path := os.Getenv("GRAFNODE_ACCESS_LOG")
	if path == "" {
		t.Skip("GRAFNODE_ACCESS_LOG names no access log")
	}
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	for line := range bytes.SplitSeq(b, []byte{'\n'}) {
		agree(t, line)
	}
}
