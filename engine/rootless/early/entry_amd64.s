#include "textflag.h"

// entry is where the kernel starts the program: the stack holds argc, argv and the environment (System V ABI, AMD64, "Initial Stack and Register State").
// Go code finds its goroutine in thread-local storage, which the runtime makes for itself later: begin is given an empty one.
TEXT ·entry(SB), NOSPLIT|NOFRAME, $0
	MOVQ	SP, ·stack(SB)
	MOVQ	$0x1002, DI // ARCH_SET_FS
	LEAQ	·tls+64(SB), SI
	MOVQ	$158, AX // arch_prctl(2)
	SYSCALL
	MOVQ	·stack(SB), AX
	ANDQ	$~15, SP
	SUBQ	$16, SP
	MOVQ	AX, 0(SP)
	CALL	·begin(SB)
	MOVQ	·stack(SB), SP
	JMP	_rt0_amd64_linux(SB)
