package nofile

const sysPrlimit64 = 302 // unistd.h; package syscall may not be imported here
