package simulate

import "reflect"

// Stats counts what a run has met, so that a test can see that it met something.
type Stats struct {
	Entries, Elections, Installs             int // of the log
	Crashes, Pauses, Cuts, Transfers         int // troubles
	Restores, Recoveries                     int
	Wipes                                    int // disks lost
	Joined, Promoted, Replaced, Removed      int // of the group
	Acks, Allowances, Refused                int // renewals
	Expiries, RefusedExpiries                int
	Changes, Repeats, Unknown, Resolved      int // changes of edges
	SettledRefused, SettledCarried           int // of those that were sent again and refused, by reading
	SparesArmed, SparesConfirmed, SparesLost int
	Plans, Drains                            int // planned moves that were armed; words about drains
	Overtaken                                int // changes that were applied and whose second try was refused: another had come in between
	Reads, StaleReads                        int
	Watches, Events, Resumes, Resyncs, Gaps  int
	Sessions, SessionsLost, Adopted          int
}

// all yields the counters by name.
func (s Stats) all() map[string]int {
	all := map[string]int{}
	v := reflect.ValueOf(s)
	for i := range v.NumField() {
		all[v.Type().Field(i).Name] = int(v.Field(i).Int())
	}
	return all
}

func (s *Stats) add(o Stats) {
	v := reflect.ValueOf(s).Elem()
	for i := range v.NumField() {
		v.Field(i).SetInt(v.Field(i).Int() + reflect.ValueOf(o).Field(i).Int())
	}
}
