// Package figures is what the benchmarks have in common: how two sides are measured in turns, how their runs become one line,
// and how lines are printed. It starts nothing and knows no side; packages benchmark, benchmark/ring and benchmark/wire are its
// callers, and command grafnode, which prints.
package figures
