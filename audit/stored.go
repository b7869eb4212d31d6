package audit

import "golang.org/x/mod/sumdb/tlog"

// OpenStored opens a stored checkpoint of a log that cannot be signed at the moment, such as one on a disk that is full: a key of the log
// signed it, and its root is that of the stored hashes. Whether it is the newest that was signed, the guard alone knows.
func OpenStored(r Reader, keys Keys, msg []byte) (Checkpoint, error) {
	cp, err := keys.Open(msg)
	if err != nil {
		return cp, corrupt(hintOther, "the newest stored checkpoint is not one that this log signed").in(PartCheckpoints).because(err)
	}
	root, err := tlog.TreeHash(cp.Size, r)
	if err != nil {
		return cp, missingHash(err, cp.Size)
	}
	if root != cp.Root {
		return cp, otherRoot(cp)
	}
	return cp, nil
}

func otherRoot(cp Checkpoint) *CorruptError {
	return corrupt(hintEdited, "an entry in [0, %d) was changed: the checkpoint of size %d has another root", cp.Size, cp.Size).in(PartCheckpoints).at(0, cp.Size)
}
