// Package suite is the order in which a data-plane benchmark goes: for each case each peer gets ready, then ours and the peer's are
// measured in turns, and a line comes out. It makes the directory and the launcher that all need, and removes them however
// it ends. What is measured is the callers' business: packages benchmark/ring and benchmark/wire.
package suite
