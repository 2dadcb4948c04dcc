package runtime

import "codeberg.org/hoy/hoy/oci/child"

// StepError is the failure of one step of a container's birth or of an exec. Its text is "step: path: reason".
type StepError = child.StepError
