package runtime

// Early says whether the process was started before its plan was known.
func (p *Process) Early() bool { return p.ahead }
