//go:build arm64 || riscv64 || loong64

package nofile

const sysPrlimit64 = 261 // asm-generic/unistd.h; package syscall may not be imported here
