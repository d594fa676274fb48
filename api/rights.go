package api

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Right is what a rule can allow.
type Right string

// The rights of rules. The list is append-only; docs/security.md says which routes need which.
const (
	RightRead    Right = "read"    // records, leases, checkpoints, blocks, what stages report
	RightWatch   Right = "watch"   // all changes of those
	RightCAS     Right = "cas"     // change records and checkpoints, attach to rings
	RightLease   Right = "lease"   // lease memory and storage, write to it
	RightOperate Right = "operate" // move, remove, revoke; look into nodes
)

// Rights are all rights that a rule can allow.
var Rights = []Right{RightRead, RightWatch, RightCAS, RightLease, RightOperate}

// Rule allows rights to what has a name that begins with Prefix: edges by their name, ring leases by their edge's, other leases and block
// regions by their own, checkpoints by their key. What has no such name (nodes, sessions, unnamed leases, the cluster) is for an empty Prefix.
type Rule struct {
	Prefix string  `json:"prefix"`
	Rights []Right `json:"rights"`
}

// Rules allow what any of them does.
type Rules []Rule

// Limits of rules.
const (
	RulesMax      = 16
	rulePrefixMax = 256 // bytes; no name is longer
)

// Check reports, as an error that wraps ErrInvalid, what makes r no rules that somebody can be given.
func (r Rules) Check() error {
	if len(r) == 0 || len(r) > RulesMax {
		return Errorf(KindInvalid, "%d rules, must be 1 to %d", len(r), RulesMax)
	}
	for _, rule := range r {
		if err := rule.check(); err != nil {
			return err
		}
	}
	return nil
}

func (r Rule) check() error {
	switch {
	case len(r.Prefix) > rulePrefixMax:
		return Errorf(KindInvalid, "a rule's prefix of %d bytes, at most %d", len(r.Prefix), rulePrefixMax)
	case !utf8.ValidString(r.Prefix) || strings.ContainsFunc(r.Prefix, unicode.IsControl):
		return Errorf(KindInvalid, "a rule's prefix %q is no text", r.Prefix)
	case len(r.Rights) == 0:
		return Errorf(KindInvalid, "the rule for %q allows nothing", r.Prefix)
	}
	for i, right := range r.Rights {
		if !slices.Contains(Rights, right) {
			return Errorf(KindInvalid, "the rule for %q: right %q, must be one of %v", r.Prefix, right, Rights)
		}
		if slices.Contains(r.Rights[:i], right) {
			return Errorf(KindInvalid, "the rule for %q: right %q twice", r.Prefix, right)
		}
	}
	return nil
}

// Allow reports whether r allows a right to what is called name; to "", for what has none.
func (r Rules) Allow(right Right, name string) bool {
	return slices.ContainsFunc(r, func(rule Rule) bool {
		return strings.HasPrefix(name, rule.Prefix) && slices.Contains(rule.Rights, right)
	})
}

// AllowSome reports whether r allows a right to anything.
func (r Rules) AllowSome(right Right) bool {
	return slices.ContainsFunc(r, func(rule Rule) bool { return slices.Contains(rule.Rights, right) })
}

// String returns the rules as ParseRule takes them, separated by blanks.
func (r Rules) String() string {
	texts := make([]string, len(r))
	for i, rule := range r {
		texts[i] = rule.String()
	}
	return strings.Join(texts, " ")
}

// String returns the rule as ParseRule takes it.
func (r Rule) String() string {
	rights := make([]string, len(r.Rights))
	for i, right := range r.Rights {
		rights[i] = string(right)
	}
	return r.Prefix + "=" + strings.Join(rights, ",")
}

// ParseRule reads a rule as people write it: the prefix, an equals sign, and the rights with commas between them, such as
// "etl.=read,watch", or "=read" for everything. The prefix may have equals signs in it.
func ParseRule(s string) (Rule, error) {
	at := strings.LastIndexByte(s, '=')
	if at < 0 {
		return Rule{}, fmt.Errorf("rule %q: must be a prefix, = and rights, such as etl.=read,watch, or =read for everything: %w", s, ErrInvalid)
	}
	rule := Rule{Prefix: s[:at]}
	for right := range strings.SplitSeq(s[at+1:], ",") {
		rule.Rights = append(rule.Rights, Right(right))
	}
	return rule, rule.check()
}
