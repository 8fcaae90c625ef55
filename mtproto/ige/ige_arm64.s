//go:build !purego

#include "textflag.h"

// The substitution of all four bytes of a word. AESE permutes bytes between columns, but here all columns are the same.
// V0 is lost, V1 is zero.
#define SUBSTITUTE(word) \
	VDUP word, V0.S4           \
	AESE V1.B16, V0.B16        \
	VMOV V0.S[0], word

// The next even round key in R4 to R7, from the one before it and the last word of the odd one. R3 is the round constant.
#define EVEN \
	RORW $8, R11, R12 \
	SUBSTITUTE(R12)   \
	EORW R3, R12      \
	EORW R12, R4      \
	EORW R4, R5       \
	EORW R5, R6       \
	EORW R6, R7       \
	STPW.P (R4, R5), 8(R0) \
	STPW.P (R6, R7), 8(R0)

// The next odd round key in R8 to R11.
#define ODD \
	MOVW R7, R12     \
	SUBSTITUTE(R12)  \
	EORW R12, R8     \
	EORW R8, R9      \
	EORW R9, R10     \
	EORW R10, R11    \
	STPW.P (R8, R9), 8(R0)   \
	STPW.P (R10, R11), 8(R0)

// func expandEncrypt(ks *keySchedule, key *[32]byte)
TEXT ·expandEncrypt(SB), NOSPLIT, $0-16
	MOVD ks+0(FP), R0
	MOVD key+8(FP), R1
	VEOR V1.B16, V1.B16, V1.B16
	LDPW 0(R1), (R4, R5)
	LDPW 8(R1), (R6, R7)
	LDPW 16(R1), (R8, R9)
	LDPW 24(R1), (R10, R11)
	STPW.P (R4, R5), 8(R0)
	STPW.P (R6, R7), 8(R0)
	STPW.P (R8, R9), 8(R0)
	STPW.P (R10, R11), 8(R0)
	MOVD $1, R3

expandNext:
	EVEN
	ODD
	LSLW $1, R3
	CMPW $0x40, R3
	BNE  expandNext
	EVEN
	RET

// Loads the 15 round keys into V3 to V17.
#define LOAD(at) \
	VLD1.P 64(at), [V3.B16, V4.B16, V5.B16, V6.B16]     \
	VLD1.P 64(at), [V7.B16, V8.B16, V9.B16, V10.B16]    \
	VLD1.P 64(at), [V11.B16, V12.B16, V13.B16, V14.B16] \
	VLD1   (at), [V15.B16, V16.B16, V17.B16]

// Puts a round key through the inverse MixColumns and stores it 16 bytes below the one stored before it.
#define BELOW(key) \
	AESIMC key, V0.B16    \
	VST1   [V0.B16], (R0) \
	SUB    $16, R0

// func invert(ks *keySchedule)
TEXT ·invert(SB), NOSPLIT, $0-8
	MOVD ks+0(FP), R0
	MOVD R0, R1
	LOAD(R1)
	VST1 [V17.B16], (R0)
	ADD  $224, R0
	VST1 [V3.B16], (R0)
	SUB  $16, R0
	BELOW(V4.B16)
	BELOW(V5.B16)
	BELOW(V6.B16)
	BELOW(V7.B16)
	BELOW(V8.B16)
	BELOW(V9.B16)
	BELOW(V10.B16)
	BELOW(V11.B16)
	BELOW(V12.B16)
	BELOW(V13.B16)
	BELOW(V14.B16)
	BELOW(V15.B16)
	BELOW(V16.B16)
	RET

// A round and its MixColumns, which processors do as one.
#define ROUND(AES, MIX, key) \
	AES key, V0.B16    \
	MIX V0.B16, V0.B16

// One block: V0 is the previous output and becomes this one, V1 the previous input. AES begins with the xor of a key, so
// the xors of the mode are folded into the first and the last round key.
#define BLOCK(AES, MIX) \
	VLD1.P 16(R2), [V2.B16]          \
	VEOR   V2.B16, V3.B16, V18.B16   \
	VEOR   V1.B16, V17.B16, V19.B16  \
	ROUND(AES, MIX, V18.B16)         \
	ROUND(AES, MIX, V4.B16)          \
	ROUND(AES, MIX, V5.B16)          \
	ROUND(AES, MIX, V6.B16)          \
	ROUND(AES, MIX, V7.B16)          \
	ROUND(AES, MIX, V8.B16)          \
	ROUND(AES, MIX, V9.B16)          \
	ROUND(AES, MIX, V10.B16)         \
	ROUND(AES, MIX, V11.B16)         \
	ROUND(AES, MIX, V12.B16)         \
	ROUND(AES, MIX, V13.B16)         \
	ROUND(AES, MIX, V14.B16)         \
	ROUND(AES, MIX, V15.B16)         \
	AES    V16.B16, V0.B16           \
	VEOR   V19.B16, V0.B16, V0.B16   \
	VST1.P [V0.B16], 16(R1)          \
	VMOV   V2.B16, V1.B16            \
	SUBS   $1, R3

// Loads the arguments of encryptBlocks and decryptBlocks, which are the same.
#define ARGUMENTS \
	LOAD(R0)                   \
	VLD1 (R4), [V0.B16]        \
	VLD1 (R5), [V1.B16]

// func encryptBlocks(ks *keySchedule, dst, src *byte, blocks int, out, in *[BlockSize]byte)
TEXT ·encryptBlocks(SB), NOSPLIT, $0-48
	MOVD ks+0(FP), R0
	MOVD dst+8(FP), R1
	MOVD src+16(FP), R2
	MOVD blocks+24(FP), R3
	MOVD out+32(FP), R4
	MOVD in+40(FP), R5
	ARGUMENTS

encryptNext:
	BLOCK(AESE, AESMC)
	BNE encryptNext
	RET

// func decryptBlocks(ks *keySchedule, dst, src *byte, blocks int, out, in *[BlockSize]byte)
TEXT ·decryptBlocks(SB), NOSPLIT, $0-48
	MOVD ks+0(FP), R0
	MOVD dst+8(FP), R1
	MOVD src+16(FP), R2
	MOVD blocks+24(FP), R3
	MOVD out+32(FP), R4
	MOVD in+40(FP), R5
	ARGUMENTS

decryptNext:
	BLOCK(AESD, AESIMC)
	BNE decryptNext
	RET
