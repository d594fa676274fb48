package accesslog

import (
	"strconv"
	"strings"
)

// Row is a request with what enrich adds to it: one row of the table requests.
type Row struct {
	Request
	Client      string // family of the client, by its user agent: see ClientFamily
	StatusClass string // "2xx"
	Page        string // the path without its query
	Day         string // "2015-05-17", in the zone that the line names
}

// Enrich adds to r what can be told from r alone, so that the same request always makes the same row.
func Enrich(r Request) Row {
	page, _, _ := strings.Cut(r.Path, "?")
	return Row{
		Request:     r,
		Client:      ClientFamily(r.Agent),
		StatusClass: strconv.Itoa(r.Status/100) + "xx",
		Page:        page,
		Day:         r.Time.Format("2006-01-02"),
	}
}
