// Package detour sends connections another way in test builds, so that a test can put a proxy between any two nodes of one
// host without the right to make network namespaces.
//
// In every build but one To is the identity. In a build with -tags faults, GRAFNODE_FAULT_DIAL names what to dial instead of
// what: "host:port=host:port", separated by commas. Such a build is for tests and must never be installed. Called wherever a
// node dials another: internal/tcpconn, client, api/server.
package detour
