// Package report is what the demo leaves behind: what was lost or doubled, by the word of an independent check, and what each
// kill cost, as JSON, as a page with a plot, and as text. It measures nothing itself.
package report
