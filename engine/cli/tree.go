package cli

// root is the tree of commands.
func (s *session) root() *command {
	return &command{
		args:  "[OPTIONS] COMMAND",
		short: "A container engine in one static file",
		flags: s.globalFlags(),
		subs: []node{
			{name: "run", rank: 1, make: runCommand},
			{name: "exec", rank: 2, make: execCommand},
			{name: "ps", rank: 3, make: psCommand},
			{name: "build", rank: 4, make: buildCommand},
			{name: "pull", rank: 5, make: pullCommand},
			{name: "images", rank: 6, make: imagesCommand},
			{name: "version", rank: 7, make: versionCommand},
			{name: "info", rank: 8, make: infoCommand},

			{name: "container", make: group("Manage containers", containerCommands...)},
			{name: "image", make: group("Manage images", imageCommands...)},
			{name: "network", make: group("Manage networks", networkCommands...)},
			{name: "system", make: group("Manage hoy", systemCommands...)},
			{name: "volume", make: group("Manage volumes", volumeCommands...)},

			{name: "attach", make: attachCommand},
			{name: "commit", make: commitCommand},
			{name: "completion", make: completionCommand},
			{name: "cp", make: cpCommand},
			{name: "create", make: createCommand},
			{name: "diff", make: diffCommand},
			{name: "export", make: exportCommand},
			{name: "history", make: historyCommand},
			{name: "import", make: importCommand},
			{name: "inspect", make: inspectCommand},
			{name: "kill", make: killCommand},
			{name: "load", make: loadCommand},
			{name: "logs", make: logsCommand},
			{name: "pause", make: pauseCommand},
			{name: "port", make: portCommand},
			{name: "rename", make: renameCommand},
			{name: "restart", make: restartCommand},
			{name: "rm", make: rmCommand},
			{name: "rmi", make: rmiCommand},
			{name: "save", make: saveCommand},
			{name: "start", make: startCommand},
			{name: "stats", make: statsCommand},
			{name: "stop", make: stopCommand},
			{name: "tag", make: tagCommand},
			{name: "top", make: topCommand},
			{name: "unpause", make: unpauseCommand},
			{name: "update", make: updateCommand},
			{name: "wait", make: waitCommand},

			{name: "help", hidden: true, make: helpCommand},
			{name: "__complete", hidden: true, make: completeCommand},
			{name: "__docs", hidden: true, make: docsCommand},
		},
	}
}

var containerCommands = []node{
	{name: "attach", make: attachCommand},
	{name: "commit", make: commitCommand},
	{name: "cp", make: cpCommand},
	{name: "create", make: createCommand},
	{name: "diff", make: diffCommand},
	{name: "exec", make: execCommand},
	{name: "export", make: exportCommand},
	{name: "inspect", make: inspectContainerCommand},
	{name: "kill", make: killCommand},
	{name: "logs", make: logsCommand},
	{name: "ls", also: []string{"list", "ps"}, make: psCommand},
	{name: "pause", make: pauseCommand},
	{name: "port", make: portCommand},
	{name: "prune", make: pruneContainersCommand},
	{name: "rename", make: renameCommand},
	{name: "restart", make: restartCommand},
	{name: "rm", also: []string{"remove"}, make: rmCommand},
	{name: "run", make: runCommand},
	{name: "start", make: startCommand},
	{name: "stats", make: statsCommand},
	{name: "stop", make: stopCommand},
	{name: "top", make: topCommand},
	{name: "unpause", make: unpauseCommand},
	{name: "update", make: updateCommand},
	{name: "wait", make: waitCommand},
}

var imageCommands = []node{
	{name: "build", make: buildCommand},
	{name: "history", make: historyCommand},
	{name: "import", make: importCommand},
	{name: "inspect", make: inspectImageCommand},
	{name: "load", make: loadCommand},
	{name: "ls", also: []string{"list"}, make: imagesCommand},
	{name: "prune", make: pruneImagesCommand},
	{name: "pull", make: pullCommand},
	{name: "rm", also: []string{"remove", "rmi"}, make: rmiCommand},
	{name: "save", make: saveCommand},
	{name: "tag", make: tagCommand},
}

var networkCommands = []node{
	{name: "connect", make: connectNetworkCommand},
	{name: "create", make: createNetworkCommand},
	{name: "disconnect", make: disconnectNetworkCommand},
	{name: "exists", make: existsNetworkCommand},
	{name: "inspect", make: inspectNetworkCommand},
	{name: "ls", also: []string{"list"}, make: networksCommand},
	{name: "prune", make: pruneNetworksCommand},
	{name: "rm", also: []string{"remove"}, make: rmNetworkCommand},
}

var volumeCommands = []node{
	{name: "create", make: createVolumeCommand},
	{name: "export", make: exportVolumeCommand},
	{name: "import", make: importVolumeCommand},
	{name: "inspect", make: inspectVolumeCommand},
	{name: "ls", also: []string{"list"}, make: volumesCommand},
	{name: "prune", make: pruneVolumesCommand},
	{name: "rm", also: []string{"remove"}, make: rmVolumeCommand},
}

var systemCommands = []node{
	{name: "check", make: checkCommand},
	{name: "df", make: dfCommand},
	{name: "info", make: infoCommand},
	{name: "prune", make: pruneSystemCommand},
}
