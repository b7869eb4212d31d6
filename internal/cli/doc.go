// Package cli is Taffrail's command line: one file per command, the forms of output, and the exit status.
//
// Commands know what a person typed and how an answer looks. What the answer is they ask of [daemon.Queries], so that each of
// them could as well be answered by a server.
//
// Results go to standard output, all else to standard error. Whatever comes from outside (addresses, values, messages of
// providers) is made harmless before it is printed: nothing that a cloud or a state file says can move the cursor, colour
// a line or end one.
//
// The exit status is 0 if all is in sync, 1 for an error or if something could not be checked, 2 if there is drift, and 3 if a
// verification failed; see [taffrail.Kind.ExitStatus].
package cli
