// Package local says what the users of a host may do behind its node's socket.
//
// Root and the node's own user may do everything. Others may do what the entries for them and for their groups allow together, and without one
// nothing: nobody gets in by default. The system says who is at the other end of a connection when it begins; what is changed later is for
// connections made later. Groups are those that the host's own files say a user is in, and the one that the process has.
//
// Package node calls it for each connection, stages' and others', and package node/host for the sessions of stages, whose rules the cluster
// then keeps. Off Linux nobody can be told from another: then there are no entries, and the socket's file mode has decided.
package local

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"runtime"
	"strconv"
	"strings"

	"github.com/grafnode/grafnode/api"
)

// Entry gives a user, or the members of a group, rules.
type Entry struct {
	User, Group string // the name or the number of one of them
	Rules       api.Rules
}

// Parse reads an entry as it stands among a node's settings: "user:" or "group:" with a name or a number, then rules as api.ParseRule takes them, with
// blanks between.
func Parse(text string) (Entry, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return Entry{}, errors.New("is empty")
	}
	var e Entry
	kind, name, _ := strings.Cut(words[0], ":")
	switch {
	case kind == "user" && name != "":
		e.User = name
	case kind == "group" && name != "":
		e.Group = name
	default:
		return Entry{}, fmt.Errorf("%q: must begin with user: or group: and a name or number, such as user:etl", text)
	}
	for _, word := range words[1:] {
		rule, err := api.ParseRule(word)
		if err != nil {
			return Entry{}, fmt.Errorf("%q: %w", text, err)
		}
		e.Rules = append(e.Rules, rule)
	}
	if err := e.Rules.Check(); err != nil {
		return Entry{}, fmt.Errorf("%q: %w", text, err)
	}
	return e, nil
}

// String returns the entry as Parse takes it.
func (e Entry) String() string {
	who := "user:" + e.User
	if e.Group != "" {
		who = "group:" + e.Group
	}
	return who + " " + e.Rules.String()
}

// Users says what the users of this host may do. It does not change.
type Users struct {
	own    int
	users  map[int]api.Rules
	groups map[int]api.Rules
}

// Resolve looks up whom entries are about. A name that the host does not know is an error, and more rules for one user or group than api.RulesMax.
func Resolve(entries []Entry) (*Users, error) {
	if len(entries) > 0 && runtime.GOOS != "linux" {
		return nil, errors.New("this system does not tell the users of a socket apart")
	}
	u := &Users{own: os.Getuid(), users: map[int]api.Rules{}, groups: map[int]api.Rules{}}
	for _, e := range entries {
		into, name, find := u.users, e.User, userID
		if e.Group != "" {
			into, name, find = u.groups, e.Group, groupID
		}
		id, err := find(name)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", e, err)
		}
		if into[id] = append(into[id], e.Rules...); len(into[id]) > api.RulesMax {
			return nil, fmt.Errorf("%q: %d rules with those of other entries for the same, at most %d: give rights to shorter prefixes", e, len(into[id]), api.RulesMax)
		}
	}
	return u, nil
}

func userID(name string) (int, error) {
	if id, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(id), nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(u.Uid)
}

func groupID(name string) (int, error) {
	if id, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(id), nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(g.Gid)
}

// Open reports whether anybody but root and the node's own user may come in.
func (u *Users) Open() bool { return len(u.users)+len(u.groups) > 0 }

// Of returns what a process of a user and a group may do: all of it, or what rules allow, or nothing, which is an error.
func (u *Users) Of(uid, gid int) (all bool, rules api.Rules, err error) {
	if uid == 0 || uid == u.own {
		return true, nil, nil
	}
	rules = append(rules, u.users[uid]...)
	for _, id := range u.groupsOf(uid, gid) {
		rules = append(rules, u.groups[id]...)
	}
	switch n := len(rules); {
	case n == 0:
		return false, nil, api.Errorf(api.KindForbidden, "user %d is none that this node serves: its settings give rights to others in local", uid)
	case n > api.RulesMax:
		return false, nil, api.Errorf(api.KindForbidden, "user %d has %d rules by himself and by his groups, and a session takes %d: the node's settings must have fewer in local",
			uid, n, api.RulesMax)
	}
	return false, rules, nil
}

// groupsOf returns the groups of a process, as far as there are entries for any.
func (u *Users) groupsOf(uid, gid int) []int {
	if len(u.groups) == 0 {
		return nil
	}
	all := []int{gid}
	who, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return all // nobody that the host's files know
	}
	ids, err := who.GroupIds()
	if err != nil {
		return all
	}
	for _, text := range ids {
		if id, err := strconv.Atoi(text); err == nil && id != gid {
			all = append(all, id)
		}
	}
	return all
}
