// Package borrow lends slices of a ring to callbacks that must not keep them.
//
// In a build with the tag fabricdebug a callback gets a copy that is overwritten when it returns, so that whoever keeps the slice
// finds Poison instead of what happened to stay there. Otherwise it costs nothing. Every fabric's Drain uses it.
package borrow

// Poison is what a record that was kept too long consists of.
const Poison = 0xDB
