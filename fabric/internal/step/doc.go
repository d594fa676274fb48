// Package step names the steps between which a side of a ring may die. In a build with the tag crashsteps the process kills itself at
// the step that its environment names; otherwise a step is nothing at all. The tests of fabric/shm and of fabric/rdma are the only ones to set it.
package step

// Variable is the environment variable that holds the step's name, a colon, and how often it is passed before.
const Variable = "GRAFNODE_CRASH_STEP"
