package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/oci"
)

func createVolumeCommand(s *session) *command {
	var list []string
	options := map[string]string{}
	driver := "local"
	return &command{
		args:  "[OPTIONS] [VOLUME]",
		short: "Create a volume",
		max:   1,
		flags: []*flags.Flag{
			flags.String(&driver, "driver,d", "Specify volume driver name").OneOf("local"),
			flags.Func(keep(&list, checkLabel), "label", "Set metadata for a volume"),
			flags.Map(&options, "opt,o", "Set driver specific options"),
		},
		run: func(_ context.Context, args []string) error {
			if driver != "local" {
				return fmt.Errorf("volume driver %s: there is no driver but local", driver)
			}
			labels, err := oci.ParseLabels(list)
			if err != nil {
				return err
			}
			name := randomName()
			if len(args) > 0 {
				name = args[0]
			}
			e, err := s.open()
			if err != nil {
				return err
			}
			v, err := e.Store.CreateVolumeWith(name, labels, options)
			if err != nil {
				return err
			}
			s.print(v.Name)
			return nil
		},
	}
}

// randomName is that of a volume without one.
func randomName() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
