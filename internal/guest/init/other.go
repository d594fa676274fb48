//go:build !linux

package main

func main() { panic("the machines run Linux") }
