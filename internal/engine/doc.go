// Package engine finds a Docker engine for tests: the one that the docker client of this machine finds by itself, or else, on Linux for root with dockerd
// installed, one of its own. That one has network, process numbers, mounts and data of its own, reaches nothing outside, and is gone with the test.
//
// The tests of the compose file and of Vagrant's docker provider use it.
package engine
