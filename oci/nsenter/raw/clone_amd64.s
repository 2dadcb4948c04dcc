#include "textflag.h"

// clone makes a system call that returns twice, perhaps on one stack in one memory: the child comes back first and writes over where the return
// address was. It is in a register meanwhile, which each process has its own of.
TEXT ·clone(SB), NOSPLIT|NOFRAME, $0-40
	MOVQ	nr+0(FP), AX
	MOVQ	a1+8(FP), DI
	MOVQ	a2+16(FP), SI
	XORL	DX, DX
	XORL	R10, R10
	XORL	R8, R8
	XORL	R9, R9
	POPQ	R12
	SYSCALL
	PUSHQ	R12
	CMPQ	AX, $-4095 // -MAX_ERRNO
	JCC	failed
	MOVQ	AX, pid+24(FP)
	MOVQ	$0, errno+32(FP)
	RET
failed:
	NEGQ	AX
	MOVQ	$0, pid+24(FP)
	MOVQ	AX, errno+32(FP)
	RET
