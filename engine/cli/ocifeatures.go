package cli

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"

	"codeberg.org/hoy/hoy/engine/bundle"
	"codeberg.org/hoy/hoy/oci/plan"
	"codeberg.org/hoy/hoy/oci/seccomp"
)

func ociFeaturesCommand(s *session) *command {
	return &command{
		short: "Print what this runtime can do, as JSON",
		run:   s.runtimeRun("features", func(*bundle.Runtime, []string) error { return s.printJSON(runtimeFeatures(), "    ") }),
	}
}

// runtimeFeatures are in the specification's form (features.md). What is not named is not there.
func runtimeFeatures() *features.Features {
	yes, no := true, false
	return &features.Features{
		OCIVersionMin: "1.0.0",
		OCIVersionMax: specs.Version,
		Hooks:         []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"},
		MountOptions:  plan.MountWords(),
		Linux: &features.Linux{
			Namespaces:   plan.Namespaces(),
			Capabilities: plan.CapNames(plan.AllCaps),
			Cgroup:       &features.Cgroup{V1: &yes, V2: &yes, Systemd: &yes, SystemdUser: &yes, Rdma: &yes},
			Seccomp: &features.Seccomp{Enabled: &yes, Actions: seccomp.Actions(), Operators: seccomp.Operators(),
				Archs: seccomp.Archs(), KnownFlags: seccomp.Flags(), SupportedFlags: seccomp.Flags()},
			Apparmor:        &features.Apparmor{Enabled: &yes},
			Selinux:         &features.Selinux{Enabled: &yes},
			IntelRdt:        &features.IntelRdt{Enabled: &no},
			NetDevices:      &features.NetDevices{Enabled: &no},
			MountExtensions: &features.MountExtensions{IDMap: &features.IDMap{Enabled: &yes}},
		},
	}
}
