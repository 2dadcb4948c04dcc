package child

// Main is the role "hoy-child": it reads its Plan from its parent, takes the steps and becomes the container's process. It never returns.
func Main() {}
