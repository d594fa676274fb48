// Package layout views values in the bytes in which they lie, for types whose memory is the same in every process of a host:
// numbers, arrays and structs of them, without pointers and without padding.
//
// Of checks a type, once. View and Bytes cost nothing then, and promise nothing about who else may write those bytes: a view of
// memory that another process writes changes under its reader. So whoever does not trust the other side copies first, which
// Copy does. The layout is that of this kind of processor; it is not for the wire between hosts of different kinds.
//
// Package edge uses it for its codec of fixed layouts, and programs use it in an edge.Consumer's View.
package layout
