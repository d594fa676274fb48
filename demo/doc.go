// Package demo is the whole of grafnode on one machine, under fire: it starts a cluster and the four stages of
// examples/accesslog, each as a process of its own, kills one after the other while items flow, starts again what it killed, and
// then compares the store with the input.
//
// Command is the verb "grafnode demo"; StageCommand is the hidden verb with which it starts itself again as a stage. The demo
// promises to leave nothing behind: no process, no temporary file, however it ends.
//
// What is pure lies below: internal/plan says what is killed when, internal/timeline makes measurements of events,
// internal/report and internal/view show them. This package has the processes: a bench runs them, internal/lab asks the
// nodes, the director decides.
package demo
