// Package vagrant brings the Vagrantfile's machines up, runs vagrant/demo.sh on them, which halts one under a pipeline, and takes them down again.
// What a person has up of them stays as it is, unless the provider has room for one only: state is kept apart.
//
// `make vagrant-test` runs it, with the provider that VAGRANT_DEFAULT_PROVIDER names and what the Vagrantfile takes from the environment. For the docker
// provider it needs what package internal/engine needs; an engine of its own gets its Debian from debootstrap.
package vagrant
