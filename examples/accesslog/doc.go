// Package accesslog is grafnode's example on real input: a web server's access log in the Apache combined format becomes rows
// of a SQLite database, through four stages that may run in one process or in four, on one host or on several.
//
//	ingest   reads the file's lines and numbers them
//	parse    makes a Request of each; what does not parse goes to the table dead_letters
//	enrich   adds the client's family, the status class, the path without query and the day
//	store    writes to the table requests, rows and position in one transaction
//
// A line is in exactly one of the two tables, once, however often a stage, a node or the ring between them is killed
// meanwhile. Package check reads the database back and says whether that is so; it shares no code with the stages.
//
// The program is in cmd/accesslog; "grafnode demo" runs the same stages under fire.
package accesslog
