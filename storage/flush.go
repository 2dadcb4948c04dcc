package storage

// Flush writes to the disk what has been written to the store until now. CreateImage does so itself: this lets a builder do it while it
// waits for digests, so that there is less left then. With NoSync it does nothing.
func (s *Store) Flush() error { return s.syncAll() }
