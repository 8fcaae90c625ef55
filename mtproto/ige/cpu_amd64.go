package ige

import "golang.org/x/sys/cpu"

var hasAES = cpu.X86.HasAES && cpu.X86.HasSSE41
