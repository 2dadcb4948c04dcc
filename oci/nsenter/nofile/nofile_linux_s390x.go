package nofile

const sysPrlimit64 = 334 // unistd.h; package syscall may not be imported here
