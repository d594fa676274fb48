// Package blocks keeps a node's leased block regions: one file a region, each guarded by a fence epoch that is as durable
// as the bytes it protects.
//
// A write that has returned is on the disk, and a write under an older epoch than the region has seen is refused with
// fence.ErrFenced, also after a restart. Writes of one region happen one at a time. Nothing makes a write atomic: one that
// was cut off by a crash leaves any mixture of old and new bytes, and package durable is built for that. Regions are found
// again when the node restarts.
//
// Package node is the only owner: it creates and removes regions as leases come and go in the registry. Requests reach
// them through api/server.
package blocks
