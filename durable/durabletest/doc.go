// Package durabletest is the suite that every durable.Store passes, and the stores in memory that tests build on: a
// Registry for durable.Register and a Region for durable.Slots, both with faults on demand.
package durabletest
