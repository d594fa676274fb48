package api

// RecordKind says what a record of the registry is about.
type RecordKind string

// The kinds of records that can be watched. The list is append-only.
const (
	RecordEdge    RecordKind = "edge"
	RecordNode    RecordKind = "node"
	RecordLease   RecordKind = "lease"
	RecordSession RecordKind = "session"
)
