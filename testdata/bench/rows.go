package main

// rows is everything that is measured, in the order of the report.
var rows = []row{
	{
		name: "run", title: "`run --rm --network none IMAGE true`", unit: "ms", setup: setupRun,
		goals: []goal{{against: "crun", atMost: 1.5}, {against: "podman", faster: 8}},
	},
	{
		name: "oci-run", title: "`hoy oci run` of a bundle, and its peers of the same", unit: "ms", setup: setupOCIRun,
		goals: []goal{{against: "crun", atMost: 1.2}, {against: "runc", faster: 1}},
	},
	{
		name: "exec", title: "`exec CONTAINER true`", unit: "ms", setup: setupExec,
		goals: []goal{{against: "podman", faster: 6}, {against: "docker", faster: 4}},
	},
	{name: "build", title: "20-step build, no cache", unit: "ms", setup: setupBuild},
	{
		name: "build-cached", title: "20-step build, all cached", unit: "ms", setup: setupCachedBuild,
		goals: []goal{{against: "buildah", faster: 20}},
	},
	{
		name: "copy", title: "build that copies 5,000 files of 4 KiB", unit: "ms", setup: setupCopy,
		goals: []goal{{against: "buildah", faster: 8}, {against: "docker", faster: 3}},
	},
	{
		name: "sixteen", title: "sixteen `run --rm` at once", unit: "ms", setup: setupSixteen,
		goals: []goal{{against: "hoy, one after another, divided by the cores", atMost: 1.5}},
	},
	{
		name: "thousand", title: "`run` with 1,000 stopped containers", unit: "ms", setup: setupThousand,
		goals: []goal{{against: "hoy, empty store", atMost: 1.2}},
	},
	{
		name: "ps", title: "`ps -a` with 1,000 containers", unit: "ms", setup: setupPs,
		goals: []goal{{against: "podman", faster: 10}},
	},
	{name: "logs", title: "`logs` of 100 MB", unit: "ms", setup: setupLogs},
	{
		name: "memory", title: "an idle detached container, beside its own process", unit: "MB", setup: setupMemory,
		goals: []goal{{limit: 4}},
	},
	{name: "peak", title: "peak memory of a `run`", unit: "MB", setup: setupPeak},
	{
		name: "rootless-run", title: "an ordinary user's `run --rm --network none IMAGE true`", unit: "ms", setup: setupRootless,
		goals: []goal{{against: "podman", faster: 8}},
	},
	{
		name: "first-auto", title: "first `run --userns=auto`", unit: "ms", setup: setupFirstAuto,
		goals: []goal{{against: noUserns, atMost: 1.2}},
	},
	{
		name: "net-run", title: "`run --rm IMAGE true` on the default network", unit: "ms", setup: setupNetRun,
		goals: []goal{{against: "podman", faster: 10}},
	},
	{
		name: "net-out", title: "iperf3, 512 MiB from a container to another machine", unit: "ms", setup: setupNetOut,
		goals: []goal{{against: plainBridge, atMost: 1.05}},
	},
	{
		name: "net-in", title: "iperf3, 512 MiB from another machine to a published port", unit: "ms", setup: setupNetIn,
		goals: []goal{{against: plainBridge, atMost: 1.05}},
	},
	{
		name: "net-between", title: "iperf3, 512 MiB between two containers", unit: "ms", setup: setupNetBetween,
		goals: []goal{{against: "podman", atMost: 1.05}},
	},
	{
		name: "net-requests", title: "16,000 requests to a published port over 16 connections", unit: "ms", setup: setupNetRequests,
		goals: []goal{{against: plainBridge, atMost: 1.05}},
	},
	{
		name: "net-latency", title: "one request to a published port", unit: "µs", setup: setupNetLatency,
		goals: []goal{{against: plainBridge, atMost: 1.05}},
	},
	{
		name: "net-names", title: "16,000 questions for a container's name", unit: "ms", setup: setupNetNames,
		goals: []goal{{against: "podman", atMost: 1}},
	},
	{name: "net-fifty", title: "fifty `run -d` at once on one network", unit: "ms", setup: setupNetFifty},
	{
		name: "user-run", title: "`run --rm IMAGE true` on the default network, as an ordinary user", unit: "ms", setup: setupUserRun,
		goals: []goal{{against: "podman, slirp4netns", faster: 6}},
	},
	{
		name: "user-out", title: "iperf3, 512 MiB from a user's container to another machine", unit: "ms", setup: setupUserOut,
		goals: []goal{{against: "podman, slirp4netns", atMost: 1}, {against: "pasta alone", atMost: 1}},
	},
	{
		name: "user-in", title: "iperf3, 512 MiB from another machine to a user's published port", unit: "ms", setup: setupUserIn,
		goals: []goal{{against: "podman, slirp4netns", atMost: 1}, {against: "pasta alone", atMost: 1}},
	},
	{
		name: "user-requests", title: "16,000 requests to a user's published port over 16 connections", unit: "ms", setup: setupUserRequests,
		goals: []goal{{against: "podman, slirp4netns", atMost: 1}, {against: "pasta alone", atMost: 1}},
	},
	{
		name: "user-cpu-out", title: "processor time of the user-mode stack for 1 GiB out of a user's container", unit: "ms", setup: setupUserCPU(true),
		goals: []goal{{against: "podman, slirp4netns", atMost: 1}, {against: "pasta alone", atMost: 1}},
	},
	{
		name: "user-cpu-in", title: "processor time of the stack for 1 GiB into a user's published port", unit: "ms", setup: setupUserCPU(false),
		goals: []goal{{against: "podman, slirp4netns", atMost: 1}, {against: "pasta alone", atMost: 1}},
	},
	{
		name: "user-memory-out", title: "memory of the user-mode stack with 1,000 connections out of a user's container", unit: "MB", setup: setupUserMemory(true),
		goals: []goal{{against: "pasta alone", atMost: 1}},
	},
	{name: "user-memory-in", title: "memory of the stack with 1,000 connections to a user's published port", unit: "MB", setup: setupUserMemory(false)},
	{
		name: "version", title: "`hoy version`", unit: "ms", setup: setupVersion,
		goals: []goal{{against: emptyProgram, atMost: 7}},
	},
	{
		name: "child", title: "the child reaches its first step", unit: "ms", setup: setupChild,
		goals: []goal{{against: emptyProgram, atMost: 2.5}},
	},
	{name: "size", title: "the binary", unit: "MB", setup: setupSize, goals: []goal{{limit: 30}}},
}
