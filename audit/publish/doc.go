// Package publish shows a log to the world as C2SP tlog-tiles asks for it: a checkpoint, tiles of hashes and bundles of entries, from which
// anyone can prove and verify with tools that are not ours.
//
//	<prefix>/checkpoint                     the newest signed checkpoint, with its cosignatures
//	<prefix>/tile/<L>/<N>[.p/<W>]           tiles of hashes
//	<prefix>/tile/entries/<N>[.p/<W>]       bundles of entries
//
// [Handler] answers requests out of the log's storage; [Folder] writes the same files into a folder that any web server or object store can
// serve. Both give out what the newest signed checkpoint covers and nothing beyond, and both hold each tile and each entry against the root
// that was signed before they let it go. What is served is kept by caches and mirrors for good, so that a tile which contradicts the
// signature would stay in them after the storage was brought back.
//
// What is published is public: the bodies of entries as they are stored. Secrets are no part of an entry, and personal data stand outside
// of the tree, under salted digests.
package publish
