package state

import (
	"fmt"
	"slices"

	"github.com/grafnode/grafnode/api"
)

func (c PutToken) apply(d *draft, e Entry) (Result, error) {
	t := Token{ID: c.Token, Name: c.Name, Hash: c.Hash, Rules: c.Rules, Expires: c.Expires, Created: e.Proposed}
	if err := t.check(); err != nil {
		return Result{}, err
	}
	if d.tokens.has(text(t.ID)) {
		return Result{}, fmt.Errorf("token %s exists: %w", t.ID, api.ErrConflict)
	}
	if n := d.tokens.size(); n >= TokensMax {
		return Result{}, fmt.Errorf("%d tokens exist already: %w", n, api.ErrTooLarge)
	}
	t.Rules = slices.Clone(t.Rules) // the command's own is its caller's
	d.tokens.put(d.edit, text(t.ID), &t)
	return Result{}, nil
}

func (c RemoveToken) apply(d *draft, _ Entry) (Result, error) {
	if !d.tokens.has(text(c.Token)) {
		return Result{}, fmt.Errorf("token %q: %w", c.Token, api.ErrNotFound)
	}
	d.tokens.remove(d.edit, text(c.Token))
	return Result{}, nil
}

// check reports what makes t no token.
func (t Token) check() error {
	if err := CheckID("token ID", t.ID); err != nil {
		return err
	}
	if err := checkText("token name", t.Name, textMax); err != nil {
		return err
	}
	if t.Expires < 0 {
		return fmt.Errorf("token %s expires at %d: %w", t.ID, t.Expires, api.ErrInvalid)
	}
	if err := t.Rules.Check(); err != nil {
		return fmt.Errorf("token %s: %w", t.ID, err)
	}
	return nil
}
