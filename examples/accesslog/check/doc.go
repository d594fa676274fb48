// Package check says whether a database holds exactly what an access log gives: every line once, in the right table, with
// the right content.
//
// It is the judge of the pipeline in examples/accesslog and of "grafnode demo", so it shares no code with them: it reads the
// input and the database back, and takes lines apart with regular expressions where the pipeline scans. It relies on
// no counter, no position and no uniqueness constraint. Memory use does not grow with the input.
package check
