//go:build !purego

#include "textflag.h"

// Folds four words of a round key into their running xor: k ^= k<<32 ^ k<<64 ^ k<<96, then ^= t. X4 is lost.
#define MIX(k, t) \
	MOVOU  k, X4   \
	PSLLO  $4, X4  \
	PXOR   X4, k   \
	PSLLO  $4, X4  \
	PXOR   X4, k   \
	PSLLO  $4, X4  \
	PXOR   X4, k   \
	PXOR   t, k

// The next even round key from the two before it, X1 and X3.
#define EVEN(rcon, at) \
	AESKEYGENASSIST $rcon, X3, X2 \
	PSHUFD $0xff, X2, X2          \
	MIX(X1, X2)                   \
	MOVOU  X1, at(AX)

// The next odd round key.
#define ODD(at) \
	AESKEYGENASSIST $0, X1, X2 \
	PSHUFD $0xaa, X2, X2       \
	MIX(X3, X2)                \
	MOVOU  X3, at(AX)

// func expandEncrypt(ks *keySchedule, key *[32]byte)
TEXT ·expandEncrypt(SB), NOSPLIT, $0-16
	MOVQ  ks+0(FP), AX
	MOVQ  key+8(FP), BX
	MOVOU 0(BX), X1
	MOVOU 16(BX), X3
	MOVOU X1, 0(AX)
	MOVOU X3, 16(AX)
	EVEN(0x01, 32)
	ODD(48)
	EVEN(0x02, 64)
	ODD(80)
	EVEN(0x04, 96)
	ODD(112)
	EVEN(0x08, 128)
	ODD(144)
	EVEN(0x10, 160)
	ODD(176)
	EVEN(0x20, 192)
	ODD(208)
	EVEN(0x40, 224)
	RET

// Exchanges two round keys, both through the inverse MixColumns.
#define SWAP(a, b) \
	MOVOU  a(AX), X0 \
	MOVOU  b(AX), X1 \
	AESIMC X0, X0    \
	AESIMC X1, X1    \
	MOVOU  X0, b(AX) \
	MOVOU  X1, a(AX)

// func invert(ks *keySchedule)
TEXT ·invert(SB), NOSPLIT, $0-8
	MOVQ   ks+0(FP), AX
	MOVOU  0(AX), X0
	MOVOU  224(AX), X1
	MOVOU  X0, 224(AX)
	MOVOU  X1, 0(AX)
	SWAP(16, 208)
	SWAP(32, 192)
	SWAP(48, 176)
	SWAP(64, 160)
	SWAP(80, 144)
	SWAP(96, 128)
	MOVOU  112(AX), X0
	AESIMC X0, X0
	MOVOU  X0, 112(AX)
	RET

// Loads the round keys 1 to 12. Keys 0, 13 and 14 stay in memory: their loads are not on the chain.
#define LOAD \
	MOVOU 16(AX), X3       \
	MOVOU 32(AX), X4       \
	MOVOU 48(AX), X5       \
	MOVOU 64(AX), X6       \
	MOVOU 80(AX), X7       \
	MOVOU 96(AX), X8       \
	MOVOU 112(AX), X9      \
	MOVOU 128(AX), X10     \
	MOVOU 144(AX), X11     \
	MOVOU 160(AX), X12     \
	MOVOU 176(AX), X13     \
	MOVOU 192(AX), X14

// One block: X0 is the previous output and becomes this one, X1 the previous input. The first and the last xor are
// folded into the round keys, so that one xor and 14 rounds are all that a block waits for.
#define BLOCK(ROUND, LAST) \
	MOVOU (SI), X2       \
	MOVOU 0(AX), X15       \
	PXOR  X2, X15        \
	PXOR  X15, X0        \
	ROUND X3, X0         \
	ROUND X4, X0         \
	ROUND X5, X0         \
	ROUND X6, X0         \
	ROUND X7, X0         \
	ROUND X8, X0         \
	ROUND X9, X0         \
	ROUND X10, X0        \
	ROUND X11, X0        \
	ROUND X12, X0        \
	ROUND X13, X0        \
	ROUND X14, X0        \
	MOVOU 208(AX), X15     \
	ROUND X15, X0        \
	MOVOU 224(AX), X15     \
	PXOR  X1, X15        \
	LAST  X15, X0        \
	MOVOU X0, (DI)       \
	MOVOU X2, X1         \
	ADDQ  $16, SI        \
	ADDQ  $16, DI        \
	DECQ  CX

// func encryptBlocks(ks *keySchedule, dst, src *byte, blocks int, out, in *[BlockSize]byte)
TEXT ·encryptBlocks(SB), NOSPLIT, $0-48
	MOVQ  ks+0(FP), AX
	MOVQ  dst+8(FP), DI
	MOVQ  src+16(FP), SI
	MOVQ  blocks+24(FP), CX
	MOVQ  out+32(FP), BX
	MOVOU (BX), X0
	MOVQ  in+40(FP), BX
	MOVOU (BX), X1
	LOAD

encryptNext:
	BLOCK(AESENC, AESENCLAST)
	JNZ encryptNext
	RET

// func decryptBlocks(ks *keySchedule, dst, src *byte, blocks int, out, in *[BlockSize]byte)
TEXT ·decryptBlocks(SB), NOSPLIT, $0-48
	MOVQ  ks+0(FP), AX
	MOVQ  dst+8(FP), DI
	MOVQ  src+16(FP), SI
	MOVQ  blocks+24(FP), CX
	MOVQ  out+32(FP), BX
	MOVOU (BX), X0
	MOVQ  in+40(FP), BX
	MOVOU (BX), X1
	LOAD

decryptNext:
	BLOCK(AESDEC, AESDECLAST)
	JNZ decryptNext
	RET
