package store

// Queued is how many entries wait in the outbox for their indexes. On SQLite none ever do.
func (tx *Tx) Queued() (n int64, err error) {
	if tx.dialect != &postgresDialect {
		return 0, nil
	}
	err = tx.get("SELECT coalesce(sum(n), 0) FROM outbox WHERE first_idx IS NULL", nil, &n)
	return n, err
}
