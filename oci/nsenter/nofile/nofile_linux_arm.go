package nofile

const sysPrlimit64 = 369 // unistd.h; package syscall may not be imported here
