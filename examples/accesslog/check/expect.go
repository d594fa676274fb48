package check

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	combined = regexp.MustCompile(`(?s)^([^\s\v]+) [^\s\v]+ [^\s\v]+ ` +
		`\[(\d\d/[A-Za-z]{3}/\d{4}):(\d\d:\d\d:\d\d) ([+-])(\d\d)(\d\d)\] ` +
		`"((?:[^"\\]|\\.)*)" (\d{3}) (\d+|-) "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"[\s\v]*$`)
	threeParts = regexp.MustCompile(`^([^\s\v]+) ([^\s\v]+) ([^\s\v]+)$`)
)

// expected is the row that a line is due in the table requests, every column as the text that SQLite casts it to.
type expected struct {
	remote, time, method, path, proto, status, bytes, referer, agent string
	statusClass, page, day                                           string
}

// expect returns the row that the line is due, or false if it is due a dead letter.
func expect(line string) (expected, bool) {
	m := combined.FindStringSubmatch(line)
	if m == nil {
		return expected{}, false
	}
	r := threeParts.FindStringSubmatch(m[7])
	day, err := time.Parse("02/Jan/2006 15:04:05", m[2]+" "+m[3])
	zone, ok := zone(m[4], m[5], m[6])
	if r == nil || err != nil || !ok {
		return expected{}, false
	}
	when := day.Format("2006-01-02T") + m[3] + zone
	page := r[2]
	if i := strings.IndexByte(page, '?'); i >= 0 {
		page = page[:i]
	}
	return expected{
		remote: m[1], time: when, method: r[1], path: r[2], proto: r[3], status: number(m[8]), bytes: number(m[9]),
		referer: m[10], agent: m[11], statusClass: m[8][:1] + "xx", page: page, day: when[:10],
	}, true
}

// zone returns the RFC 3339 form of a zone offset. An offset of 24 hours or 60 minutes is odd but known to happen.
func zone(sign, hours, minutes string) (string, bool) {
	h, _ := strconv.Atoi(hours)
	m, _ := strconv.Atoi(minutes)
	if h > 24 || m > 60 {
		return "", false
	}
	if m += 60 * h; m == 0 {
		return "Z", true
	}
	return fmt.Sprintf("%s%02d:%02d", sign, m/60, m%60), true
}

// number returns digits as SQLite shows them: as an integer where they fit one, NULL as "" for "-".
func number(digits string) string {
	if digits == "-" {
		return ""
	}
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
		return strconv.FormatInt(n, 10)
	}
	return digits
}

// differs names the first column in which the row that was found differs from the one that is due.
func (want expected) differs(got row) (column string, ok bool) {
	for _, c := range []struct{ name, want, got string }{
		{"remote", want.remote, got.remote}, {"time", want.time, got.time}, {"method", want.method, got.method},
		{"path", want.path, got.path}, {"proto", want.proto, got.proto}, {"status", want.status, got.status},
		{"bytes", want.bytes, got.bytes}, {"referer", want.referer, got.referer}, {"agent", want.agent, got.agent},
		{"status_class", want.statusClass, got.statusClass}, {"page", want.page, got.page}, {"day", want.day, got.day},
	} {
		if c.want != c.got {
			return c.name, true
		}
	}
	return "client", got.client == ""
}
