package cli

import (
	"context"
	"errors"
	"fmt"

	"codeberg.org/hoy/hoy/engine"
	"codeberg.org/hoy/hoy/engine/cli/flags"
	"codeberg.org/hoy/hoy/engine/cli/format"
	"codeberg.org/hoy/hoy/engine/rootless"
	"codeberg.org/hoy/hoy/netns"
	"codeberg.org/hoy/hoy/storage"
)

// kind is a kind of object that can be inspected.
type kind struct {
	name string
	get  func(ctx context.Context, e *engine.Engine, ref string) (any, error)
	none error // what get wraps when there is no such object
}

// kinds are tried in this order for a name that may be any.
var kinds = []kind{
	{"container", inspectContainer, engine.ErrNoContainer},
	{"image", inspectImage, storage.ErrNoImage},
	{"network", inspectNetwork, netns.ErrNoNetwork},
	{"volume", inspectVolume, storage.ErrNoVolume},
}

func inspectCommand(s *session) *command {
	var text, typ string
	var size, newest bool
	return &command{
		args:     "[OPTIONS] NAME|ID [NAME|ID...]",
		short:    "Return low-level information on hoy's objects",
		min:      1,
		max:      -1,
		complete: completeObjects,
		implied:  one(&newest),
		flags: []*flags.Flag{
			objectFormatFlag(&text),
			latestFlag(&newest),
			flags.Bool(&size, "size,s", "Display total file sizes if the type is container"),
			flags.String(&typ, "type", "Only inspect objects of the given type").OneOf("container", "image", "network", "volume"),
		},
		run: func(ctx context.Context, args []string) error {
			if size && outside() {
				return status(rootless.Inside()) // files of subordinate ids are to be counted
			}
			args, err := s.refs(&selection{latest: newest}, args)
			if err != nil {
				return err
			}
			if typ == "" {
				return s.inspect(ctx, args, text, sized(size, anyKind))
			}
			for _, k := range kinds {
				if k.name == typ {
					return s.inspect(ctx, args, text, sized(size, k.get))
				}
			}
			return fmt.Errorf(`unknown type: %q: must be one of "container", "image", "network", "volume"`, typ)
		},
	}
}

func inspectContainerCommand(s *session) *command {
	var text string
	var size, newest bool
	c := s.inspectKind("CONTAINER", "containers", inspectContainer, allContainers)
	c.implied = one(&newest)
	c.flags = []*flags.Flag{objectFormatFlag(&text), latestFlag(&newest), flags.Bool(&size, "size,s", "Display total file sizes")}
	c.run = func(ctx context.Context, args []string) error {
		if size && outside() {
			return status(rootless.Inside()) // files of subordinate ids are to be counted
		}
		args, err := s.refs(&selection{latest: newest}, args)
		if err != nil {
			return err
		}
		return s.inspect(ctx, args, text, sized(size, inspectContainer))
	}
	return c
}

// sized adds to a container what it takes on the disk, when that is wanted.
func sized(wanted bool, get getObject) getObject {
	if !wanted {
		return get
	}
	return func(ctx context.Context, e *engine.Engine, ref string) (any, error) {
		v, err := get(ctx, e, ref)
		if i, ok := v.(*engine.ContainerInspect); ok && err == nil {
			c, err := e.Find(i.ID)
			if err != nil {
				return nil, err
			}
			own, virtual := e.Size(ctx, c)
			i.SizeRw, i.SizeRootFs = &own, &virtual
		}
		return v, err
	}
}

func inspectImageCommand(s *session) *command {
	return s.inspectKind("IMAGE", "images", inspectImage, completeImages)
}

func inspectVolumeCommand(s *session) *command {
	return s.inspectKind("VOLUME", "volumes", inspectVolume, completeVolumes)
}

type getObject = func(ctx context.Context, e *engine.Engine, ref string) (any, error)

// inspectKind is the command of one kind of object: `container inspect`.
func (s *session) inspectKind(arg, plural string, get getObject, complete completer) *command {
	var text string
	return &command{
		args:     fmt.Sprintf("[OPTIONS] %s [%s...]", arg, arg),
		short:    "Display detailed information on one or more " + plural,
		min:      1,
		max:      -1,
		complete: complete,
		flags:    []*flags.Flag{objectFormatFlag(&text)},
		run: func(ctx context.Context, args []string) error {
			return s.inspect(ctx, args, text, get)
		},
	}
}

// inspect prints what it finds, and then says what it did not find.
func (s *session) inspect(ctx context.Context, refs []string, text string, get getObject) error {
	objects, err := format.NewObjects(text)
	if err != nil {
		return templateError(err)
	}
	e, err := s.open()
	if err != nil {
		return err
	}
	var errs []error
	for _, ref := range refs {
		v, err := get(ctx, e, ref)
		if err == nil {
			err = objects.Add(v)
		}
		errs = append(errs, err)
	}
	errs = append(errs, objects.Print(s.Out))
	return errors.Join(errs...)
}

func anyKind(ctx context.Context, e *engine.Engine, ref string) (any, error) {
	for _, k := range kinds {
		v, err := k.get(ctx, e, ref)
		if err == nil {
			return v, nil
		}
		if !errors.Is(err, k.none) && !errors.Is(err, storage.ErrBadReference) && !errors.Is(err, storage.ErrBadVolumeName) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("no such object: %s", ref)
}

func inspectContainer(_ context.Context, e *engine.Engine, ref string) (any, error) {
	c, err := e.Find(ref)
	if err != nil {
		return nil, err
	}
	return e.Inspect(c)
}

func inspectImage(ctx context.Context, e *engine.Engine, ref string) (any, error) {
	img, err := e.Store.Image(ctx, ref)
	if err != nil {
		return nil, err
	}
	return e.InspectImage(img), nil
}

// volumeInspect is a volume as `docker volume inspect` shows it. Source: Docker Engine API 1.47, Volume.
type volumeInspect struct {
	CreatedAt  string
	Driver     string
	Labels     map[string]string
	Mountpoint string
	Name       string
	Options    map[string]string
	Scope      string
}

func inspectVolume(_ context.Context, e *engine.Engine, ref string) (any, error) {
	v, err := e.Store.Volume(ref)
	if err != nil {
		return nil, err
	}
	return &volumeInspect{
		CreatedAt:  v.Created.Format("2006-01-02T15:04:05Z07:00"),
		Driver:     "local",
		Labels:     v.Labels,
		Mountpoint: v.Path,
		Name:       v.Name,
		Options:    v.Options,
		Scope:      "local",
	}, nil
}
