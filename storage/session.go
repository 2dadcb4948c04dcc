package storage

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"codeberg.org/hoy/hoy/storage/lease"
)

// builds is what committing layers needs beyond a single call.
type builds struct {
	mu       sync.Mutex
	prepared bool                // Prepare was called
	session  *lease.Lease        // from the first commit, or Prepare, until all are durable: holds the journal that says since when layers may not be durable
	release  func()              // gives up the right to add layers
	commits  int                 // so far
	futures  map[string]*future  // digests under way or known, by layer id
	pending  map[string]digested // digests that layers.json does not have yet, by layer id
	slots    chan struct{}       // one for each digest that may be computed at a time
	running  sync.WaitGroup      // digests and Prepare under way
	ctx      context.Context     // ended by Close
	cancel   context.CancelFunc
}

// start makes what digests need; b.mu is held.
func (b *builds) start() {
	if b.futures != nil {
		return
	}
	b.futures, b.pending = map[string]*future{}, map[string]digested{}
	b.slots = make(chan struct{}, runtime.NumCPU())
	b.ctx, b.cancel = context.WithCancel(context.Background())
}

// Prepare opens, in the background, what Commit needs: who writes a stage meanwhile waits less for the disk afterwards. What goes wrong Commit
// meets again, and reports.
func (s *Store) Prepare() {
	b := &s.builds
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.prepared {
		return
	}
	b.prepared = true
	b.running.Add(1)
	go func() {
		defer b.running.Done()
		if _, err := s.library(); err != nil {
			return
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		_ = s.openSession()
	}()
}

// beginBuild notes on the disk, once, that from now on there are layers whose files may not be durable.
func (s *Store) beginBuild() error {
	b := &s.builds
	b.mu.Lock()
	defer b.mu.Unlock()
	b.commits++
	return s.openSession()
}

// openSession is for beginBuild and Prepare; builds.mu is held.
func (s *Store) openSession() error {
	b := &s.builds
	if b.session != nil {
		return nil
	}
	release, err := s.writing()
	if err != nil {
		return err
	}
	l, err := lease.New(s.leases())
	if err != nil {
		release()
		return err
	}
	if err := s.writeJournal(l.Dir, journal{}); err != nil {
		l.Release()
		release()
		return err
	}
	b.start()
	b.session, b.release = l, release
	return nil
}

// building says whether there are layers whose files may not be durable.
func (s *Store) building() bool {
	b := &s.builds
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.session != nil
}

// settle makes all committed layers durable, and ends what beginBuild began unless more are committed meanwhile.
func (s *Store) settle() error {
	b := &s.builds
	b.mu.Lock()
	before := b.commits
	b.mu.Unlock()
	if before > 0 {
		if err := s.syncAll(); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.session == nil || b.commits != before {
		return nil
	}
	err := b.session.Release()
	b.release()
	b.session = nil
	return err
}

// closeBuilds ends what beginBuild and startDigest began.
func (s *Store) closeBuilds() error {
	b := &s.builds
	b.mu.Lock()
	cancel := b.cancel
	b.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	b.running.Wait()
	err := s.recordDigests()
	if s.building() {
		err = errors.Join(err, s.settle())
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.futures = nil
	return s.explain(err)
}
