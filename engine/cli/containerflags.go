package cli

import (
	"os"

	"codeberg.org/hoy/hoy/engine/ahead"
	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/oci"
	"codeberg.org/hoy/hoy/oci/restart"
)

// containerOptions are the flags of a container that `run` and `create` share. Most write the Config themselves; the rest is
// put into it by config, once the whole line is known.
type containerOptions struct {
	cfg oci.Config
	cwd string // relative paths in flags begin here

	env, envFiles      []string
	labels, labelFiles []string
	securityOpt        []string
	volumes, tmpfs     []string
	devices, exposed   []string
	gpus               []string
	network            networkOptions
	health             healthOptions
	entrypoint         *string
	readOnlyTmpfs      bool
	rootfs             bool
	subUser, subGroup  string
	detachKeys         *string
	cidfile            string
	swappiness         int    // -1: the kernel's
	pull, verb         string // verb is what --pull comes before, in help
	quiet              bool

	environ  environmentOptions
	images   imageOptions
	replace  bool
	preserve int // --preserve-fds

	early   *ahead.Process // what was started while the libraries were initialised; nil: nothing
	ignored ignoredOptions
}

func newContainerOptions(verb string) *containerOptions {
	o := &containerOptions{pull: "missing", verb: verb, swappiness: -1}
	o.cfg.Platform = os.Getenv("DOCKER_DEFAULT_PLATFORM")
	o.cfg.SigProxy = true
	o.cwd, _ = os.Getwd() // a relative path is refused where it is used
	return o
}

// flags is the table of them.
func (o *containerOptions) flags() []*flags.Flag {
	var list []*flags.Flag
	list = append(list, o.processFlags()...)
	list = append(list, o.isolationFlags()...)
	list = append(list, o.limitFlags()...)
	list = append(list, o.mountFlags()...)
	list = append(list, o.networkFlags()...)
	list = append(list, o.environmentFlags()...)
	list = append(list, o.accountFlags()...)
	list = append(list, o.imageFlags()...)
	list = append(list, o.unitFlags()...)
	list = append(list, o.ignoredFlags()...)
	list = append(list, o.health.flags()...)
	return append(list, o.metaFlags()...)
}

func (o *containerOptions) processFlags() []*flags.Flag {
	c := &o.cfg
	return []*flags.Flag{
		flags.Func(o.attach, "attach,a", "Attach to STDIN, STDOUT or STDERR").OneOf("stdin", "stdout", "stderr"),
		flags.OptString(&o.entrypoint, "entrypoint", "Overwrite the default ENTRYPOINT of the image"),
		flags.Func(keep(&o.env, checkEnv), "env,e", "Set environment variables"),
		flags.List(&o.envFiles, "env-file", "Read in a file of environment variables").From("file"),
		flags.List(&c.GroupAdd, "group-add", "Add additional groups to join"),
		flags.Bool(&c.Init, "init", "Run an init inside the container that forwards signals and reaps processes"),
		flags.Bool(&c.OpenStdin, "interactive,i", "Keep STDIN open even if not attached"),
		restartFlag(&c.Restart),
		flags.String(&c.StopSignal, "stop-signal", "Signal to stop the container").OneOf(signalNames()...),
		flags.OptInt(&c.StopTimeout, "stop-timeout", "Timeout (in seconds) to stop a container"),
		flags.Int(&c.Timeout, "timeout", "Kill the container after this many seconds; 0 never does (Podman)").As("uint"),
		flags.Bool(&c.Tty, "tty,t", "Allocate a pseudo-TTY"),
		flags.String(&c.Umask, "umask", "Set umask in container"),
		flags.String(&c.User, "user,u", "Username or UID (format: <name|uid>[:<group|gid>])"),
		flags.String(&c.WorkingDir, "workdir,w", "Working directory inside the container"),
	}
}

func (o *containerOptions) isolationFlags() []*flags.Flag {
	c := &o.cfg
	return []*flags.Flag{
		flags.List(&c.CapAdd, "cap-add", "Add Linux capabilities").OneOf(capabilityNames...),
		flags.List(&c.CapDrop, "cap-drop", "Drop Linux capabilities").OneOf(capabilityNames...),
		flags.String(&c.CgroupnsMod, "cgroupns", `Cgroup namespace to use (host|private)
'host':    Run the container in the host's cgroup namespace
'private': Run the container in its own private cgroup namespace (default)`).OneOf("host", "private"),
		flags.List(&o.devices, "device", "Add a host device to the container").From("file"),
		flags.List(&o.gpus, "gpus", "GPU devices to add to the container ('all' to pass all GPUs)").As("gpu-request"),
		flags.String(&c.IpcMode, "ipc", "IPC mode to use").OneOf("host", "none", "private", "shareable", "container:"),
		flags.Int(&c.OomScoreAdj, "oom-score-adj", "Tune host's OOM preferences (-1000 to 1000)"),
		flags.String(&c.PidMode, "pid", "PID namespace to use").OneOf("host", "container:"),
		flags.Bool(&c.Privileged, "privileged", "Give extended privileges to this container"),
		flags.List(&o.securityOpt, "security-opt", "Security Options").
			OneOf("apparmor=", "label=", "no-new-privileges", "seccomp=", "systempaths=unconfined"),
		flags.Func(o.sysctl, "sysctl", "Sysctl options").As("map"),
		flags.Func(o.ulimit, "ulimit", `Ulimit options ("host": those that hoy itself has, as without any)`).As("ulimit").OneOf(ulimitNames...),
		flags.List(&c.UIDMap, "uidmap", "UID map for the user namespace (CONTAINER:[@]FROM[:COUNT])"),
		flags.List(&c.GIDMap, "gidmap", "GID map for the user namespace (CONTAINER:[@]FROM[:COUNT])"),
		flags.String(&o.subUser, "subuidname", "User whose subordinate ids of /etc/subuid are the user namespace's (Podman)").As("name"),
		flags.String(&o.subGroup, "subgidname", "Name in /etc/subgid whose ids are the user namespace's (Podman) (default: as --subuidname)").As("name"),
		flags.String(&c.UsernsMode, "userns", "User namespace to use").OneOf("host", "auto", "keep-id", "nomap"),
		flags.String(&c.UTSMode, "uts", "UTS namespace to use").OneOf("host"),
	}
}

func (o *containerOptions) mountFlags() []*flags.Flag {
	c := &o.cfg
	return []*flags.Flag{
		flags.Func(o.mount, "mount", "Attach a filesystem mount to the container").As("mount").
			OneOf("type=bind,", "type=image,", "type=tmpfs,", "type=volume,"),
		flags.String(&c.ImageVolume, "image-volume", `What the image's volumes become (anonymous|tmpfs|ignore)
'anonymous': Anonymous volumes (default)
'tmpfs':     Memory, which ends with the container
'ignore':    Nothing`).OneOf("anonymous", "ignore", "tmpfs"),
		flags.Bool(&c.ReadOnly, "read-only", "Mount the container's root filesystem as read only"),
		flags.Bool(&o.readOnlyTmpfs, "read-only-tmpfs", "With --read-only, mount a tmpfs on /run, /tmp and /var/tmp"),
		flags.Bool(&o.rootfs, "rootfs", "The first argument is not an image but a directory (DIR, or DIR:O to leave it as it is)"),
		flags.Func(appendParsed(&c.Secrets, oci.ParseSecret), "secret", "Secret to give to the container: NAME[,type=mount|env][,target=][,uid=][,gid=][,mode=]").As("secret"),
		flags.Func(o.shmSize, "shm-size", "Size of /dev/shm").As("bytes"),
		flags.List(&o.tmpfs, "tmpfs", "Mount a tmpfs directory"),
		flags.List(&o.volumes, "volume,v", "Bind mount a volume").From("volume"),
		flags.List(&c.VolumesFrom, "volumes-from", "Mount volumes from the specified container(s)").From("container"),
	}
}

func (o *containerOptions) metaFlags() []*flags.Flag {
	c := &o.cfg
	return []*flags.Flag{
		flags.Map(&c.Annotations, "annotation", "Add an annotation to the container (passed through to the OCI runtime)"),
		flags.String(&o.cidfile, "cidfile", "Write the container ID to the file").From("file"),
		flags.Func(keep(&o.labels, checkLabel), "label,l", "Set meta data on a container"),
		flags.List(&o.labelFiles, "label-file", "Read in a line delimited file of labels").From("file"),
		flags.String(&c.LogDriver, "log-driver", "Logging driver for the container").OneOf(oci.LogDrivers...),
		flags.Map(&c.LogOpts, "log-opt", "Log driver options"),
		flags.String(&c.Name, "name", "Assign a name to the container"),
		flags.String(&c.Platform, "platform", "Set platform if server is multi-platform capable").OneOf("linux/amd64", "linux/arm64"),
		flags.String(&o.pull, "pull", `Pull image before `+o.verb+` ("always", "missing", "never", "newer")`).OneOf("always", "missing", "never", "newer"),
		flags.Bool(&o.quiet, "quiet,q", "Suppress the pull output"),
		flags.Bool(&c.AutoRemove, "rm", "Automatically remove the container and its associated anonymous volumes when it exits"),
		flags.Bool(new(bool), "help", "Print usage"), // read by Normalize; here because -h is the host name
	}
}

func restartFlag(p *restart.Policy) *flags.Flag {
	return flags.Func(setParsed(p, restart.Parse), "restart", "Restart policy to apply when a container exits").As("string").
		OneOf("always", "no", "on-failure", "on-failure:", "unless-stopped")
}
