package guest

// Where a machine finds things.
const (
	JobFile    = "/job.json"   // what to do, in the first file system
	ModuleDir  = "/modules"    // modules to load, by their place in the order
	WorkDir    = "/tmp/work"   // the directory that is shared with the host, once the host's files are the root
	RootTag    = "root"        // the host's files
	WorkTag    = "work"        // that directory
	ExitPrefix = "guest: exit" // before the exit status, on the console
)

// Job is what a machine does: set-up commands one after the other, then the program. Their files are the host's.
type Job struct {
	Setup []string // each a command with its arguments, split at spaces; one that fails ends the machine
	Path  string   // of the program, as the machine sees it; below WorkDir for one that was made for it
	Args  []string
	Env   []string // beside PATH and HOME
}
