// Package tfwire holds the messages of the provider plugin protocol, versions 5 and 6, generated from the published file of
// version 6 (see tools/tfwire). Messages only: whoever calls a provider names the method by its path.
package tfwire
