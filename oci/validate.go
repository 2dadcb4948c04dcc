package oci

import v1 "github.com/opencontainers/image-spec/specs-go/v1"

// Validate says what contradicts itself, is unknown or is not done yet in c, in one line; nil means that c can be run.
func (c *Config) Validate() error { return errTodo }

// MergeImage fills c with what the image says, as Docker does: entrypoint, command, environment, user, directory, labels, stop signal, volumes and ports.
func (c *Config) MergeImage(img *v1.ImageConfig) {}

// Security is what Config.SecurityOpt says.
type Security struct {
	NoNewPrivileges bool
	Seccomp         string   // "" or "builtin": the default profile; "unconfined"; else a profile in JSON
	AppArmor        string   // "" default, "unconfined", or a profile's name
	Labels          []string // SELinux: "disable", "type:T", "level:L" …
	Mask, Unmask    []string // paths; Unmask {"ALL"} (also systempaths=unconfined) unmasks everything
	WritableCgroups bool
}

// Security reads c.SecurityOpt. Messages are Docker's.
func (c *Config) Security() (Security, error) { return Security{}, errTodo }

// ReadSecurityOpts replaces seccomp=FILE by the file's content, so that a container can be started again without the file. The
// command line calls it before it stores the options. read is os.ReadFile but in tests.
func ReadSecurityOpts(opts []string, read func(string) ([]byte, error)) ([]string, error) {
	return nil, errTodo
}
