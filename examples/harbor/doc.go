// Package harbor is a practice cloud for demonstrations and tests, with a
// Terraform provider of its own. This folder holds its acceptance test; the
// parts are
//
//	api       what travels between the cloud and its clients
//	action    what can be done to objects, call by call
//	identity  who calls
//	cloud     the server, as an HTTP handler
//	trail     the audit trail and the truth log
//	client    a client
//	chaos     changes by several people and programs
//	provider  the Terraform provider
//	cmd       the commands harbor and terraform-provider-harbor
//
// and stack, stack-all and stack-writeonly are root modules that use it.
package harbor
