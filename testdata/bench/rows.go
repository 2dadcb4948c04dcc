package main

// rows is everything that is measured, in the order of the report.
var rows = []row{
	{
		name: "run", title: "`run --rm --network none IMAGE true`", unit: "ms", setup: setupRun,
		goals: []goal{{against: "crun", atMost: 1.5}, {against: "podman", faster: 8}},
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
		name: "version", title: "`hoy version`", unit: "ms", setup: setupVersion,
		goals: []goal{{against: emptyProgram, atMost: 7}},
	},
	{
		name: "child", title: "the child reaches its first step", unit: "ms", setup: setupChild,
		goals: []goal{{against: emptyProgram, atMost: 2.5}},
	},
	{name: "size", title: "the binary", unit: "MB", setup: setupSize, goals: []goal{{limit: 30}}},
}
