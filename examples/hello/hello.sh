#!/bin/sh
# Prints the page with what is known only when the container runs.
exec sed -e "s/@NAME@/$NAME/" -e "s/@USER@/$(id -un)/" -e "s#@DIR@#$(pwd)#" -e "s/@HOST@/$(hostname)/" -e "s/@PID@/$$/" "$PAGE"
