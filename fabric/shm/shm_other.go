//go:build !linux

package shm

import (
	"context"
	"os"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/lease"
)

// Arena does not exist on this platform.
type Arena struct{}

// Producer does not exist on this platform.
type Producer struct{ fabric.Producer }

// Consumer does not exist on this platform.
type Consumer struct{ fabric.Consumer }

// Footprint is the capacity, on a platform where there are no parts.
func Footprint(capacity int) int { return capacity }

// New returns fabric.ErrUnsupported.
func New(fabric.Config) (*Arena, error) { return nil, fabric.ErrUnsupported }

// Adopt returns fabric.ErrUnsupported.
func Adopt(fabric.Config, Parts) (*Arena, error) { return nil, fabric.ErrUnsupported }

// OpenProducer returns fabric.ErrUnsupported.
func OpenProducer(fabric.Config, Files) (*Producer, error) { return nil, fabric.ErrUnsupported }

// OpenConsumer returns fabric.ErrUnsupported.
func OpenConsumer(fabric.Config, Files) (*Consumer, error) { return nil, fabric.ErrUnsupported }

// Nothing below is ever called: no value of these types is made here.

func (*Arena) Config() fabric.Config                         { return fabric.Config{} }
func (*Arena) Producer() (fabric.Producer, error)            { return nil, fabric.ErrUnsupported }
func (*Arena) Consumer() (fabric.Consumer, error)            { return nil, fabric.ErrUnsupported }
func (*Arena) SetDeadline(lease.Instant)                     {}
func (*Arena) Seal(error)                                    {}
func (*Arena) Usage() fabric.Usage                           { return fabric.Usage{} }
func (*Arena) Close() error                                  { return nil }
func (*Arena) Abandon()                                      {}
func (*Arena) Grant(fabric.Role) (Files, error)              { return Files{}, fabric.ErrUnsupported }
func (*Arena) Mapped(fabric.Role) error                      { return fabric.ErrUnsupported }
func (*Arena) WaitMapped(context.Context, fabric.Role) error { return fabric.ErrUnsupported }
func (*Arena) PeerFile(fabric.Role) (*os.File, error)        { return nil, fabric.ErrUnsupported }
func (*Arena) Recognize(Parts) error                         { return fabric.ErrUnsupported }
func (*Producer) BindPeer(*os.File) error                    { return fabric.ErrUnsupported }
func (*Producer) HandBack() (Parts, error)                   { return Parts{}, fabric.ErrUnsupported }
func (*Consumer) BindPeer(*os.File) error                    { return fabric.ErrUnsupported }
func (*Consumer) HandBack() (Parts, error)                   { return Parts{}, fabric.ErrUnsupported }
