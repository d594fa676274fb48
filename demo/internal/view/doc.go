// Package view shows a run of the demo while it goes on: on a terminal as a progress bar and a line for each edge, redrawn
// below the events as they come; anywhere else as plain lines. It only writes; what it shows is a Timeline's.
package view
