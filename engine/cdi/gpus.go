package cdi

import (
	"encoding/csv"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// gpuKinds are the devices that --gpus means, the first that there is.
var gpuKinds = []string{"nvidia.com/gpu", "amd.com/gpu"}

// errNoGPU is Docker's for a host without a driver for --gpus.
var errNoGPU = errors.New(`could not select device driver "" with capabilities: [[gpu]]`)

// GPUs gives the device names that a --gpus means: "all", a number, or device=… and count=… in Docker's comma separated form.
func (r *Registry) GPUs(value string) ([]string, error) {
	ids, err := parseGPUs(value)
	if err != nil {
		return nil, err
	}
	for _, kind := range gpuKinds {
		if !r.Has(kind) {
			continue
		}
		names := make([]string, len(ids))
		for i, id := range ids {
			names[i] = kind + "=" + id
		}
		return names, nil
	}
	return nil, errNoGPU
}

func parseGPUs(value string) (ids []string, err error) {
	fields, err := csv.NewReader(strings.NewReader(value)).Read()
	if err != nil {
		return nil, fmt.Errorf("invalid --gpus %q: %w", value, err)
	}
	count := "all"
	for _, f := range fields {
		key, v, named := strings.Cut(f, "=")
		switch {
		case !named:
			count = key
		case key == "count":
			count = v
		case key == "device":
			ids = append(ids, strings.Split(v, ",")...)
		case key == "driver" && v == "nvidia", key == "capabilities", key == "options":
		default:
			return nil, fmt.Errorf("unexpected key '%s' in '%s'", key, f)
		}
	}
	if ids != nil {
		return ids, nil
	}
	if count == "all" || count == "-1" {
		return []string{"all"}, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 {
		return nil, fmt.Errorf(`invalid count (%s): value must be either "all" or an integer`, count)
	}
	for i := range n {
		ids = append(ids, strconv.Itoa(i))
	}
	return ids, nil
}
