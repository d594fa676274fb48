// Package msgpack is a codec for edges that carries items as MessagePack. It is not in package edge so that a program without it
// carries no MessagePack library.
package msgpack
