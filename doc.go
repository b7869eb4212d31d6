// Package taffrail is the vocabulary of Taffrail: what it talks about, and nothing that it does.
//
// Infrastructure code declares resources in a [Stack]. Reading a stack gives one [Observation] for each resource: what the
// code wants, what the tool recorded, what is live, or the [Gap] that kept us from seeing it. Comparing an observation gives
// a [Finding]; a finding that is out of sync and stays so over time is a [Drift]. Everything that was seen and done is an
// [Entry] of the log, from which all else can be built again.
//
// Attributes are a [Value], places in them a [Path]; both have one text each, so that what is signed today can be compared in
// ten years. Secrets are never a part of either: a [SecretDigest] stands in their place.
//
// A [Coverage] goes with every reading. Silence is never taken for absence: the zero Value is [Unknown], and a resource is
// [Deleted] only where it was looked for and not found.
package taffrail
