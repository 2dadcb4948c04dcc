package storage

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"codeberg.org/hoy/hoy/storage/lease"
	"codeberg.org/hoy/hoy/storage/records"
	"github.com/sirupsen/logrus"
	cstorage "go.podman.io/storage"
	"go.podman.io/storage/pkg/ioutils"
	"go.podman.io/storage/types"
)

// library opens containers/storage and, the first time, removes what killed writers left.
func (s *Store) library() (cstorage.Store, error) {
	s.libMu.Lock()
	defer s.libMu.Unlock()
	if s.lib != nil {
		return s.lib, nil
	}
	if s.options.Rootless && os.Geteuid() != 0 {
		return nil, errors.New("open storage: not in the user namespace")
	}
	logrus.SetOutput(io.Discard) // the library's warnings are for its maintainers; what fails is returned
	lib, err := s.open()
	if err != nil {
		return nil, s.explain(fmt.Errorf("open storage %s: %w", s.dir, err))
	}
	s.lib = lib
	s.keepRoom()
	s.tidy()
	return lib, nil
}

func (s *Store) open() (cstorage.Store, error) {
	run := filepath.Join(s.options.Run, "storage")
	for _, dir := range []string{string(s.dir), run, s.leases()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	if err := presetFeatures(filepath.Join(run, "overlay")); err != nil {
		return nil, err
	}
	options := []string{"overlay.skip_mount_home=true"}
	if singleID() {
		options = append(options, "overlay.ignore_chown_errors=true")
	}
	if s.options.NoSync {
		ioutils.SetDefaultOptions(ioutils.AtomicFileWriterOptions{NoSync: true})
	}
	defer hideHostConfig(run)()
	return cstorage.GetStore(types.StoreOptions{
		GraphRoot:          string(s.dir),
		RunRoot:            run,
		GraphDriverName:    "overlay",
		GraphDriverOptions: options,
	})
}

// singleID says whether the user namespace has one user id only: then all files of a layer are the user's, whoever the
// layer says they are. Its map is one line with the length 1 (user_namespaces(7)).
func singleID() bool {
	data, err := os.ReadFile("/proc/self/uid_map")
	fields := strings.Fields(string(data))
	return err == nil && len(fields) == 3 && fields[2] == "1"
}

// presetFeatures answers in advance what the library's overlay driver would find out by mounting, for nothing here is mounted by it:
// a writer needs no right to mount, and one that is killed leaves no mount. The files are those of cachedFeatureCheck in its
// drivers/overlay/overlay.go. Layers are made by mounts without redirect_dir and metacopy, so that their files are their diff.
func presetFeatures(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"overlay-true", "metacopy()-false", "native-diff()-true", "idmapped-lower-dir-false", "volatile-false"} {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		f.Close()
	}
	return nil
}

// hideHostConfig keeps GetStore from reading storage.conf, which it does even when every option is given, from making
// directories for a user without XDG_RUNTIME_DIR, and from failing without HOME.
func hideHostConfig(run string) (restore func()) {
	return setenv(map[string]string{
		"CONTAINERS_STORAGE_CONF":          os.DevNull,
		"CONTAINERS_STORAGE_CONF_OVERRIDE": "",
		"STORAGE_DRIVER":                   "",
		"STORAGE_OPTS":                     "",
		"XDG_RUNTIME_DIR":                  run,
		"HOME":                             run,
	})
}

// setenv sets environment variables until restore is called.
func setenv(vars map[string]string) (restore func()) {
	var undo []func()
	for name, value := range vars {
		old, had := os.LookupEnv(name)
		os.Setenv(name, value)
		undo = append(undo, func() {
			if had {
				os.Setenv(name, old)
			} else {
				os.Unsetenv(name)
			}
		})
	}
	return func() {
		for _, f := range undo {
			f()
		}
	}
}

// leases is where temporary directories lie: on the file system of the layers, so that they can be renamed into place.
func (s *Store) leases() string { return filepath.Join(string(s.dir), "hoy") }

// tidy removes what writers left that were killed. What cannot be removed does not keep the next command from working.
func (s *Store) tidy() {
	_ = lease.Sweep(s.leases(), s.undo)
	_ = s.mendImages()
	s.tidyVolumes()
}

// mendImages removes images whose records are not whole. containers/storage records an image before its manifest and config, so
// that a writer that is killed leaves one without; and it does not make their directory durable, so that a power cut does too.
// While it writes an image it holds the lock that lib.Image takes.
func (s *Store) mendImages() error {
	snap, err := s.dir.Read()
	if err != nil {
		return err
	}
	var errs []error
	for _, rec := range snap.Images {
		if s.hasRecords(rec.ID, rec.BigDataDigests) {
			continue
		}
		img, err := s.lib.Image(rec.ID)
		if err != nil {
			continue
		}
		digests := map[string]string{}
		for key, d := range img.BigDataDigests {
			digests[key] = d.String()
		}
		if !s.hasRecords(rec.ID, digests) {
			_, err = s.lib.DeleteImage(rec.ID, true)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// hasRecords says whether an image has a manifest, and every file that its record speaks of.
func (s *Store) hasRecords(id string, digests map[string]string) bool {
	for key := range digests {
		if st, err := os.Stat(s.dir.BigData(id, key)); err != nil || st.Size() == 0 {
			return false
		}
	}
	return digests[records.ManifestKey] != ""
}
