package cli

import "context"

func tagCommand(s *session) *command {
	return &command{
		args:     "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
		short:    "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
		aliases:  []string{"image tag", "tag"},
		min:      2,
		max:      2,
		complete: first(completeImages),
		run: func(ctx context.Context, args []string) error {
			e, err := s.open()
			if err != nil {
				return err
			}
			return e.Store.Tag(ctx, args[0], args[1])
		},
	}
}
