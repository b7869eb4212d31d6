// Package audit is a tamper-evident log: a list of entries under a Merkle tree, whose every state is signed only if it
// contains the state that was signed before.
//
// # Concept
//
// Hashes alone prove little. Whoever can write to the database that holds a log can write all of its hashes again. What
// gives evidence is a memory outside: here it is a [Guard], which keeps size and root of the tree that was signed
// last, in another place than the log, and is replaced by compare-and-swap before a signature is released. A database
// that was edited, cut, forked or restored from an older copy contradicts it, and from then on the log is refused, with a
// [*CorruptError] that says what was found. Nothing is repaired by itself.
//
// The package knows no database and no file. It asks for a [Storage], which package audittest has an example of and a
// contract suite for. It is public so that anyone can verify without trusting the program that writes the log.
//
// # Use
//
// A log begins once, on request:
//
//	signer := audit.NewSigner(keyring, guard)
//	log, err := audit.Open(ctx, storage, signer)
//	if errors.Is(err, audit.ErrNoLog) {
//		log, err = audit.Begin(ctx, storage, signer)
//	}
//
// An entry is a JSON object in canonical form. It is appended in the transaction that stores what belongs to it, and is
// acknowledged when a checkpoint covers it:
//
//	body, err := audit.Canonical(json)
//	...
//	err = storage.Write(ctx, func(w audit.Writer) error {
//		index, err = audit.Append(w, body)
//		return err
//	})
//	...
//	checkpoint, err := log.Sign(ctx)
//
// [Verify] hashes everything again.
//
// # Order of the durable steps
//
//  1. Entries, hashes and the caller's rows are committed in one transaction. If we stop here, the next [Open] or
//     [Log.Sign] finds entries beyond what the guard knows, hashes them again, and signs.
//  2. The guard's state is swapped for the size and root that were committed. If we stop here, the next one finds a
//     checkpoint missing, and signs the same size and root again.
//  3. The signature is made. If we stop here: as before. Ed25519 makes the same signature again.
//  4. The checkpoint is stored, where storage is a [LaterWriter] without waiting for the disk. If we stop here, nothing is left to do, or
//     the checkpoint is missing: as before.
//
// So the guard is never ahead of what is durable, and a signature never ahead of the guard. Of two processes that
// sign at once, one loses the swap, looks again and signs the rest. Two histories cannot both be signed.
//
// # Keys
//
// A log has one name for ever, and keys that follow each other: [Keys] says which of them signs which sizes. Before each signature the
// signer asks for them anew. A key that was revoked is valid for sizes up to one that is named, whatever else it signed: such checkpoints
// count for nothing, and the next key signs what they covered.
//
// # Format
//
// The hash of an entry is SHA-256(0x00 || body), that of an inner node SHA-256(0x01 || left || right), and the tree is
// that of RFC 6962, section 2.1. Stored hashes have the order of [tlog.StoredHashIndex]. A checkpoint is a signed note
// (C2SP signed-note and tlog-checkpoint) with an Ed25519 signature by a key that bears the log's name, and without
// extension lines:
//
//	taffrail.local/example
//	2
//	<base64 of the root>
//
//	— taffrail.local/example <base64 of key hash and signature>
//
// The whole format, with an example that is checked byte by byte, is docs/design/log-format.md.
//
// # What it does not see
//
// A log and a guard that are restored together to the same earlier state; whoever holds the key and the guard; what was
// never logged. Against the first two, checkpoints must be remembered by others.
package audit
