#!/usr/bin/env python3
"""No loop of sums spills one of them, on x86 with 16 and with 32 vector registers.

A work-item on a processor keeps a block of sums in registers. If one of them does not fit, each step stores and loads
it again, and waits for it: the loop takes twice as long, and no result shows it. Compiles the kernels that have an
option VEC for processors with AVX2 (VEC=8) and AVX-512 (VEC=16), and reads the assembly of the tight loops. PoCL's
compiler is LLVM, too; the functions of OpenCL C are given here in clang's own terms, so that no driver is needed.
--self-test looks for planted mistakes alone; without it they come first.
"""

import re
import sys
import tempfile
from pathlib import Path

from lint_common import ROOT, check_plants, compile_kernel, explain_failure, find_clang, kernels, option_sets, report

TARGETS = {8: "haswell", 16: "skylake-avx512"}
SUMS = 8  # fmas of a loop from which on it is one of sums
TIGHT = 4.4  # instructions for each of them, at most: other loops are for the rests of rows, or do more than sums
KNOWN = {"dense_backward_input_few"}  # of 8 examples, which only a tuning chooses: by its time

BUILTINS = """
#define OWN static inline __attribute__((overloadable, always_inline))
OWN float own_fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
OWN float8 own_fma(float8 a, float8 b, float8 c) { return __builtin_ia32_vfmaddps256(a, b, c); }
OWN float16 own_fma(float16 a, float16 b, float16 c)
{
#if VEC == 16
    return __builtin_ia32_vfmaddps512_mask(a, b, c, (short)-1, 4);
#else
    return (float16)(own_fma(a.lo, b.lo, c.lo), own_fma(a.hi, b.hi, c.hi));
#endif
}
#define MEMORY(n, space)                                                                                        \\
    OWN float##n own_vload##n(size_t i, const space float *p) { return ((const space packed##n *)(p + i * n))->v; } \\
    OWN void own_vstore##n(float##n v, size_t i, space float *p) { ((space packed##n *)(p + i * n))->v = v; }
#define VECTORS(n)                                                            \\
    typedef struct __attribute__((packed, aligned(4))) { float##n v; } packed##n; \\
    MEMORY(n, __global) MEMORY(n, __local) MEMORY(n, __private)
VECTORS(4) VECTORS(8) VECTORS(16)
#define fma own_fma
#define vload4 own_vload4
#define vload8 own_vload8
#define vload16 own_vload16
#define vstore4 own_vstore4
#define vstore8 own_vstore8
#define vstore16 own_vstore16
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
"""

LABEL = re.compile(r"^(\.L\w+):")
JUMP = re.compile(r"^j\w+\s+(\.L\w+)")
SPILL = re.compile(r"\b(?:16|32|64)-byte (?:Folded )?Spill$")
FUNCTION = re.compile(r"^(\w+):")


def loops(assembly):
    """Each innermost loop: its function, and its instructions."""
    label, code, back, function = {}, [], set(), ""
    for line in map(str.strip, assembly.splitlines()):
        if found := LABEL.match(line):
            label[found[1]] = len(code)
        elif found := FUNCTION.match(line):
            function = found[1]
        elif line and line[0] not in ".#":
            jump = JUMP.match(line)
            if jump and jump[1] in label:
                back.add((label[jump[1]], len(code), function))
            code.append(line)
    for begin, end, name in sorted(back):
        if not any((begin, end) != (b, e) and begin <= b and e <= end for b, e, _ in back):
            yield name, code[begin : end + 1]


def find_spills(assembly):
    for name, body in loops(assembly):
        fmas = sum(line.startswith("vfmadd") for line in body)
        spilled = sum(bool(SPILL.search(line)) for line in body)
        if fmas >= SUMS and len(body) <= TIGHT * fmas and spilled and name not in KNOWN:
            yield f"{name}: a loop of {fmas} fmas spills {spilled} of its vectors at each step"


def width_of(options):
    """The vectors of a kernel for processors; 0 if it has no option for them."""
    found = re.search(r"\bVEC=(\d+)", " ".join(options))
    return int(found[1]) if found else 0


def problems_of(clang, path, options, folder):
    builtins, out = Path(folder) / "builtins.h", Path(folder) / "kernels.s"
    builtins.write_text(BUILTINS)
    arguments = ["-target", "x86_64-pc-linux-gnu", f"-march={TARGETS[width_of(options)]}"]
    arguments += ["-mprefer-vector-width=512", "-O3", "-ffp-contract=off", "-include", str(builtins), "-S"]
    done = compile_kernel(clang, path, options, *arguments, "-o", str(out))
    if done.returncode:
        return [explain_failure(path, options, done)]
    return [f"{path.name} {' '.join(options)}: {problem}" for problem in find_spills(out.read_text())]


PLANT = """
__kernel void sums(__global float *y, const __global float *x, uint n)
{
    float8 c[SUMS];
    for (int i = 0; i < SUMS; i++) c[i] = vload8(i, y);
#pragma unroll 1
    for (uint k = 0; k < n; k++, x += 8 + SUMS) {
        const float8 b = vload8(0, x);
#pragma unroll
        for (int i = 0; i < SUMS; i++) c[i] = fma((float8)(x[8 + i]), b, c[i]);
    }
    for (int i = 0; i < SUMS; i++) vstore8(c[i], i, y);
}
"""


def self_test(clang, folder):
    def find(sums):
        path = Path(folder) / "plant.cl"
        path.write_text(PLANT.replace("SUMS", sums))
        return problems_of(clang, path, ["-D", "VEC=8"], folder)

    return check_plants([("12 sums", "12", None), ("16 sums", "16", "spills")], find)


def main():
    clang = find_clang()
    with tempfile.TemporaryDirectory() as folder:
        problems = self_test(clang, folder)
        if "--self-test" not in sys.argv:
            for path in kernels(ROOT / "cl"):
                for options in option_sets(path):
                    if width_of(options) in TARGETS:
                        problems += problems_of(clang, path, options, folder)
    return report(problems, "sums that are spilled")


if __name__ == "__main__":
    sys.exit(main())
