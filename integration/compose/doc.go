// Package compose tests the image and the compose file of deploy/docker as their users do: build, up, a pipeline in containers of its own, a node
// that is killed under it, down. Beside that, whether what network namespaces show of hosts that are killed, stand still or are cut off holds for containers.
//
// It needs what package internal/engine needs, and compose: as the docker client's plugin, or as docker-compose of any version. It skips without, saying so:
// `make test-compose`. Where the Go tool's image cannot be had, a stand-in gives the build what this machine's Go tool has built by the same command.
package compose
