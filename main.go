// Command hoy is a container engine in one static file.
package main

func main() {}
