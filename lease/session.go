package lease

// Session is a stage process as the cluster knows it, seen from inside that process.
type Session struct {
	ID   SessionID
	Lost <-chan struct{} // closed when the session has ended, at the latest at its lease's deadline
}
