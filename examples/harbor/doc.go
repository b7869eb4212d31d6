// Package harbor is a practice cloud for demonstrations and tests, with a
// Terraform provider of its own. This folder holds its acceptance test; the
// parts are
//
//	api       what travels between the cloud and its clients
//	cloud     the server, as an HTTP handler
//	client    a client
//	provider  the Terraform provider
//	cmd       the commands harbor and terraform-provider-harbor
//
// and stack and stack-writeonly are root modules that use it.
package harbor
