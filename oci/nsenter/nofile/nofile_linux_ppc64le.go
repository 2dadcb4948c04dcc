package nofile

const sysPrlimit64 = 325 // unistd.h; package syscall may not be imported here
