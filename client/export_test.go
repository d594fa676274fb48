package client

// Elsewhere is elsewhere, for tests.
var Elsewhere = elsewhere
