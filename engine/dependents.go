package engine

// Dependents are the ids of the containers that use a namespace of c's.
func (e *Engine) Dependents(c *Container) ([]string, error) {
	list, err := e.List(ListOptions{All: true})
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, other := range list {
		for _, ref := range shares(&other.Config) {
			if used, err := e.Find(ref); err == nil && used.ID() == c.ID() {
				ids = append(ids, other.ID())
				break
			}
		}
	}
	return ids, nil
}
