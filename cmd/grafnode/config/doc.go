// Package config gives the flags of a command their values from files and from the environment.
//
// A setting has one name: that of its flag. In a file it is a key of that name, in the environment it is in capitals behind GRAFNODE_,
// with _ for -. The later of these wins: the flag's default, the file, its drop-ins in the order of their names, the environment, the
// command line. Files are TOML and flat, for a setting is one thing: no section, no second spelling, and so nothing to remember beside
// the command's own help. TOML rather than HCL, because a file of settings has nothing to compute.
//
// What cannot be used is refused with the place where it stands and with what would be right, whoever finds it: this package, the flag's
// type, or in the end the program, by Origins.Blame. No setting that can be used holds a secret, only the name of the file that does; so all of
// them may be shown, and one that cannot be used hides itself if it may hold one all the same (Secretive).
//
// The agent calls it when it starts and when it is told to reload, and "grafnode config" to validate and to show.
package config
