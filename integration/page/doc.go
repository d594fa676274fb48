// Package page looks at the page at /ui/ with a browser, as people do: real nodes, each a process, items that flow, failures that are made while
// the page is open, and nothing but a keyboard. It has tests only. They need Chromium, and skip without one.
package page
