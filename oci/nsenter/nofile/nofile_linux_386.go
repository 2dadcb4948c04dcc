package nofile

const sysPrlimit64 = 340 // unistd.h; package syscall may not be imported here
