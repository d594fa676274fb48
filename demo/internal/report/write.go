package report

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
)

//go:embed report.html.tmpl
var page string

var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{"duration": duration, "fine": fine, "number": func(i int) int { return i + 1 }}).Parse(page))

// JSON writes the report as one indented object.
func (r Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// HTML writes the report as one page that needs nothing else.
func (r Report) HTML(w io.Writer) error {
	return pageTemplate.Execute(w, struct {
		Report
		Plot plot
	}{r, newPlot(r)})
}

// Text writes the report for a terminal.
func (r Report) Text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	if len(r.Failures) > 0 {
		fmt.Fprintln(t, "killed\tprocess\tat\tdetected\tnew generation\tfirst new item\tnothing stored for\t")
	}
	for _, f := range r.Failures {
		fmt.Fprintf(t, "%s\t%s\t%.1f s\t%s\t%s\t%s\t%s\t\n", f.What, f.Target, f.AtSeconds,
			duration(f.Detected), duration(f.Generation), duration(f.FirstNewItem), duration(f.SinkGap))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := r.rewires(w); err != nil {
		return err
	}
	for _, what := range r.NotReached {
		fmt.Fprintf(w, "%s was not killed: the input ended before\n", what)
	}
	fmt.Fprintln(w)
	for _, finding := range r.Findings {
		fmt.Fprintln(w, "found:", finding)
	}
	_, err := fmt.Fprintf(w, "%d lines in %.1f s: %d stored, %d dead letters, %d repeats dropped, %d lost, %d doubled%s\n",
		r.InputLines, r.Seconds, r.Stored, r.DeadLettered, r.RepeatsDropped, r.Lost, r.Doubled, r.wrong())
	return err
}

// Rewired reports whether any edge came to another ring.
func (r Report) Rewired() bool {
	return slices.ContainsFunc(r.Failures, func(f Failure) bool { return len(f.Rewires) > 0 })
}

// rewires writes how the edges' sides came to other rings, if any did.
func (r Report) rewires(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	head := "\nrewires after\tedge\tside\tto\tnoticed\tdecided\tattached\tresumed\tfirst new item\n"
	for _, f := range r.Failures {
		for _, v := range f.Rewires {
			fmt.Fprintf(t, "%s%s\t%s\t%s\t%s\t%s\t%s\n", head, f.What, v.Edge, v.Process, v.To(), fine(v.Noticed),
				strings.Join(v.Phases(), "\t"))
			head = ""
		}
	}
	return t.Flush()
}

// To says which ring it ended in.
func (v Rewire) To() string {
	if v.Spare {
		return fmt.Sprintf("spare %d", v.Generation)
	}
	return fmt.Sprintf("ring %d", v.Generation)
}

// Phases are when the phases were over, for people.
func (v Rewire) Phases() []string {
	all := []string{"+" + fine(v.Decided), "+" + fine(v.Attached), "+" + fine(v.Resumed), "–"}
	if v.First != nil {
		all[3] = "+" + fine(*v.First)
	}
	return all
}

func (r Report) wrong() string {
	if r.Wrong == 0 {
		return ""
	}
	return fmt.Sprintf(", %d with wrong content", r.Wrong)
}

// Save writes report.json and report.html into dir, which it makes if need be, and returns the page's path.
func (r Report) Save(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := save(filepath.Join(dir, "report.json"), r.JSON); err != nil {
		return "", err
	}
	html := filepath.Join(dir, "report.html")
	return html, save(html, r.HTML)
}

func save(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		_ = f.Close() // the first error says more
		return fmt.Errorf("write %s: %w", path, err)
	}
	return f.Close()
}
