package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/engine/secret"
	"codeberg.org/hoy/hoy/oci"
)

type createSecretOptions struct {
	driver          string
	env, replace    bool
	ignore          bool
	labels, drivers []string
}

func createSecretCommand(s *session) *command {
	o := createSecretOptions{driver: "file"}
	return &command{
		args:  "[OPTIONS] SECRET [file|-]",
		short: "Create a secret from a file or STDIN as content",
		min:   1,
		max:   2,
		flags: []*flags.Flag{
			flags.String(&o.driver, "driver,d", "Secret driver").OneOf("file"),
			flags.List(&o.drivers, "driver-opts", "Specify driver specific options").Hide(),
			flags.Bool(&o.env, "env", "The second argument names a variable of the environment instead of a file"),
			flags.Bool(&o.ignore, "ignore", "If a secret with the same name exists, do nothing"),
			flags.Func(keep(&o.labels, checkLabel), "label,l", "Secret labels"),
			flags.Bool(&o.replace, "replace", "If a secret with the same name exists, replace it"),
		},
		run: func(_ context.Context, args []string) error { return s.createSecret(o, args) },
	}
}

func (s *session) createSecret(o createSecretOptions, args []string) error {
	if o.driver != "file" {
		return fmt.Errorf("secret driver %q: there is no driver but file", o.driver)
	}
	if len(o.drivers) > 0 {
		return errors.New("the secret driver file has no options")
	}
	labels, err := oci.ParseLabels(o.labels)
	if err != nil {
		return err
	}
	data, err := s.secretData(o.env, args[1:])
	if err != nil {
		return err
	}
	e, err := s.open()
	if err != nil {
		return err
	}
	x, err := e.Secrets().Create(args[0], data, labels, o.replace)
	if o.ignore && errors.Is(err, secret.ErrInUse) {
		x, err = e.Secrets().Find(args[0])
	}
	if err != nil {
		return err
	}
	s.print(x.ID)
	return nil
}

// secretData reads a secret from the standard input, a file or a variable.
func (s *session) secretData(env bool, args []string) ([]byte, error) {
	if env {
		if len(args) == 0 {
			return nil, errors.New("--env needs the name of a variable")
		}
		value, ok := os.LookupEnv(args[0])
		if !ok {
			return nil, fmt.Errorf("cannot create store secret data: environment variable %s is not set", args[0])
		}
		return []byte(value), nil
	}
	in := s.In
	if len(args) > 0 && args[0] != "-" {
		f, err := os.Open(args[0])
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	} else if isTerminal(s.In) {
		return nil, errors.New("if `-` is used, data must be passed into stdin")
	}
	return io.ReadAll(io.LimitReader(in, secret.MaxSize+1))
}
