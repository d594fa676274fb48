//go:build !linux

package adapter

func locked() Locked { return Locked{} }
