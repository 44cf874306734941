#!/usr/bin/env python3
"""No product feeds a sum (rule 2 of the contract), and no function of a vendor's is called (rule 3).

Reads clang's IR of each kernel and of each reference. A pragma against contraction is only a request, so none may be
possible: no fmul may have an fadd or fsub as its user, directly or through negation, selection, loops, vectors, private
arrays or functions, which are inlined here. Kernels may call fma and the functions of work-items and integers, no
others. --self-test looks for planted mistakes alone; without it they come first.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from lint_common import ROOT, check_plants, compile_kernel, explain_failure, find_clang, kernels, option_sets, report

INLINE = ["-O1", "-ffp-contract=off", "-finline-functions", "-mllvm", "-inline-threshold=1000000", "-gline-tables-only"]

NAME = r'%(?:[\w.$-]+|"[^"]+")'
INSTRUCTION = re.compile(rf"^\s+(?:({NAME}) = )?(?:tail |musttail |notail )?([a-z]\w*)\b(.*)$")
CALLEE = re.compile(r'@"?([\w.$-]+)"?\(')
DEBUG = re.compile(r", !dbg !(\d+)")
FLAGS = re.compile(r"^ (?:\w+ )*?(fast|nnan|ninf|nsz|arcp|contract|afn|reassoc)\b")

PASS_ON = {
    "fneg",
    "phi",
    "select",
    "extractelement",
    "insertelement",
    "shufflevector",
    "bitcast",
    "freeze",
    "extractvalue",
    "insertvalue",
}
POINTERS = {"getelementptr", "bitcast", "addrspacecast", "phi", "select"}
ARITHMETIC = {"fadd", "fsub", "fmul", "fdiv", "frem", "fneg", "fcmp", "call", "phi", "select"}

# What a kernel may call: names as mangled by clang for OpenCL, arguments behind them.
INTEGERS = r"(?:Dv\d+_)?[cshtijlm](?:(?:Dv\d+_)?[cshtijlm]|S\d*_)*"
ALLOWED_CALLS = re.compile(
    r"^(?:_Z\d+(?:get_(?:global|local)_(?:id|size|offset)|get_(?:group_id|num_groups|work_dim))j?v?"
    r"|_Z\d+(?:barrier|mem_fence|read_mem_fence|write_mem_fence)j"
    r"|_Z3fma(?:f|Dv\d+_f)\w*"
    r"|_Z\d+v(?:load|store)\d+\w*"
    r"|_Z\d+(?:as|convert)_\w+"
    r"|_Z\d+(?:min|max|mul_hi|mad_hi|mul24|mad24|clamp|abs|clz|popcount|rotate|add_sat|sub_sat|select|any|all)"
    rf"{INTEGERS}"
    r"|_Z14atomic_cmpxchgPU3AS1Vjjj)$"
)
ALLOWED_INTRINSICS = re.compile(
    r"^llvm\.(?:fma|fabs|copysign|lifetime|dbg|assume|expect|mem(?:cpy|set|move)|[us](?:min|max)|abs|ct[lt]z|ctpop"
    r"|bswap|bitreverse"
    r"|fsh[lr]|[us](?:add|sub|mul)\.(?:with\.overflow|sat)|experimental\.noalias"
    r"|vector\.reduce\.(?:add|and|or|xor|[us]m)|is\.constant"
    r"|objectsize|va_|stack(?:save|restore)|trap|masked|x86)\b"
)
MATH = re.compile(
    r"^(?:(?:a?(?:sin|cos|tan)|atan2|exp|log|pow|cbrt|hypot|erf|lgamma|tgamma|ceil|floor|round|trunc|rint"
    r"|nearbyint|fmod"
    r"|remainder|fdim|fmin|fmax|sqrt|ldexp|scalbn|scalbln|frexp|modf|nextafter|expm1|exp2|exp10|log1p"
    r"|log2|log10|logb)[hp]?h?[fl]?)$"
)


class Places:
    """Finds file and line of a !dbg number."""

    def __init__(self, ir):
        self.node = dict(re.findall(r"^!(\d+) = (?:distinct )?(!\w+\(.*\))$", ir, re.M))

    def field(self, node, name):
        found = re.search(rf'\b{name}: !?"?([^,")]*)', self.node.get(node, ""))
        return found[1] if found else ""

    def find(self, line):
        found = DEBUG.search(line)
        if not found:
            return "?"
        scope = self.field(found[1], "scope")
        while scope and not self.field(scope, "file"):
            scope = self.field(scope, "scope")
        return f"{Path(self.field(self.field(scope, 'file'), 'filename')).name}:{self.field(found[1], 'line')}"


def split_functions(ir):
    for text in re.findall(r"^define [^\n]*\{\n.*?^\}", ir, re.M | re.S):
        head, *body = text.split("\n")
        rows = []
        for line in body:
            found = INSTRUCTION.match(line)
            if found:
                rest = found[3].split(", !dbg")[0]
                rows.append((found[1], found[2], re.findall(NAME, rest), rest, line))
        yield CALLEE.search(head)[1], rows


def spread(start, rows):
    """Every name that a product in `start` reaches: through values, and through private arrays as a whole."""
    bases = {}
    for _ in range(3):  # pointers through loops
        for result, op, operands, _rest, _line in rows:
            if op == "alloca":
                bases[result] = {result}
            elif op in POINTERS and result:
                found = set().union(*(bases.get(o, set()) for o in operands)) if operands else set()
                if found:
                    bases[result] = bases.get(result, set()) | found
    reached, memory, grew = set(start), set(), True
    while grew:
        before = len(reached) + len(memory)
        for result, op, operands, rest, _line in rows:
            if op == "store" and operands and operands[0] in reached and len(operands) > 1:
                memory |= bases.get(operands[1], set())
            elif op == "load" and operands and bases.get(operands[0], set()) & memory:
                reached.add(result)
            elif (
                result
                and (op in PASS_ON or "@llvm.fabs" in rest or "@llvm.copysign" in rest)
                and reached.intersection(operands)
            ):
                reached.add(result)
        grew = len(reached) + len(memory) > before
    return reached


def find_reductions(rows):
    """Sums of single floats that a loop carries, unless something is asked of them on their way: see arith_chain."""
    asked = {operand for _r, op, used, *_ in rows if op in ("bitcast", "fcmp") for operand in used}
    for result, op, operands, rest, _line in rows:
        if op != "phi" or not rest.startswith(" float "):
            continue
        reached, grew = {result}, True
        while grew:
            before = len(reached)
            reached |= {
                r
                for r, o, used, *_ in rows
                if o in ("phi", "select")
                and reached.intersection(used)
                or o == "fadd"
                and (reached - asked).intersection(used)
            }
            grew = len(reached) > before
        added = [line for r, o, _used, _rest, line in rows if o == "fadd" and r in reached]
        if added and reached.intersection(operands):
            yield added[0]


def check_calls(function, rows, places, kernel, own):
    problems = []
    for _result, op, _operands, rest, line in rows:
        where = f"{places.find(line)}: {function}"
        if kernel and op in ("fdiv", "frem"):
            problems.append(f"{where}: {op}: division differs between vendors; arith_div does not")
        if op in ARITHMETIC and FLAGS.match(rest):
            problems.append(f"{where}: {op} with the flag {FLAGS.match(rest)[1]}")
        if op != "call" or not (callee := CALLEE.search(rest)):
            continue
        name = callee[1]
        if name in own:
            problems.append(f"{where}: {name} is not inlined, so that products cannot be followed through it")
            continue
        if name.startswith("llvm."):
            bad = not ALLOWED_INTRINSICS.match(name)
        elif kernel:
            bad = not ALLOWED_CALLS.match(name)
        else:
            bad = MATH.match(name)
        if bad:
            problems.append(f"{where}: calls {name}, which the contract does not allow")
    return problems


def check_ir(ir, kernel):
    problems, places = [], Places(ir)
    functions = list(split_functions(ir))
    if not functions and "define" in ir:
        return ["the IR could not be read"]
    own = {function for function, _rows in functions}
    for function, rows in functions:
        problems += check_calls(function, rows, places, kernel, own)
        for line in find_reductions(rows) if kernel else ():
            problems.append(
                f"{places.find(line)}: {function}: a loop sums single floats, which a compiler may reorder: "
                "write arith_chain"
            )
        reached = spread({result for result, op, *_ in rows if op == "fmul"}, rows)
        for _result, op, operands, _rest, line in rows:
            if op in ("fadd", "fsub") and reached.intersection(operands):
                problems.append(
                    f"{places.find(line)}: {function}: a product feeds this {op}: "
                    "write fma, or keep it apart by integers"
                )
    return problems


def check_kernel(clang, path):
    problems = []
    for options in option_sets(path):
        done = compile_kernel(clang, path, options, *INLINE, "-emit-llvm", "-S", "-o", "-")
        if done.returncode:
            problems.append(explain_failure(path, options, done))
        else:
            problems += check_ir(done.stdout, True)
    return problems


def check_reference(clang, path):
    command = [
        clang,
        "-std=c11",
        "-D_GNU_SOURCE",
        *INLINE,
        *(f"-I{ROOT / d}" for d in ("include", "src", "cl")),
        "-emit-llvm",
        "-S",
        "-o",
        "-",
        str(path),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return [f"{path.name}: does not compile:\n{done.stderr.strip()}"]
    return check_ir(done.stdout, False)


def plant_kernel(body, wrong=None, before=""):
    return (
        body,
        f"{before}\n__kernel void k(__global float *x, float a, float b, float c, uint n)\n{{\n{body}\n}}\n",
        wrong,
    )


SUM, CALL, CHAIN = "a product feeds", "calls ", "write arith_chain"
PLANTS = [
    plant_kernel("x[0] = a * b + c;", SUM),
    plant_kernel("x[0] = c - a * b;", SUM),
    plant_kernel("x[0] = -(a * b) + c;", SUM),
    plant_kernel("x[0] = (n > 3 ? a * b : c) + a;", SUM),
    plant_kernel("float4 p = vload4(0, x) * a; vstore4(p.wzyx + b, 0, x);", SUM),
    plant_kernel("float4 p = vload4(0, x) * a; x[0] = p.x + p.y;", SUM),
    plant_kernel("float p = 1; for (uint i = 0; i < n; i++) p *= a; x[0] = p + b;", SUM),
    plant_kernel("float p[9]; for (int i = 0; i < 9; i++) p[i] = x[i] * a; x[0] = p[n % 9] + b;", SUM),
    plant_kernel("x[0] = f(a, b) + c;", SUM, "float f(float a, float b);\nfloat f(float a, float b) { return a * b; }"),
    plant_kernel(
        "f(x, a * b, c); f(x, a, b);",
        SUM,
        "void f(__global float *x, float p, float c);\n"
        "void f(__global float *x, float p, float c) { for (int i = 0; i < 99; i++) x[i] = p + x[i] + c; }",
    ),
    plant_kernel(
        "x[0] = f(a, b) + c;",
        "not inlined",
        "float f(float a, float b);\n__attribute__((noinline)) float f(float a, float b) { return a * b; }",
    ),
    plant_kernel("x[0] = exp(a);", CALL),
    plant_kernel("x[0] = native_exp(a);", CALL),
    plant_kernel("x[0] = fmin(a, b);", CALL),
    plant_kernel("x[0] = fmax(a, b);", CALL),
    plant_kernel("x[0] = min(a, b);", CALL),
    plant_kernel("x[0] = clamp(a, b, c);", CALL),
    plant_kernel("x[0] = mad(a, b, c);", CALL),
    plant_kernel("x[0] = sqrt(a);", CALL),
    plant_kernel("x[0] = mix(a, b, c);", CALL),
    plant_kernel("x[0] = dot(vload4(0, x), vload4(1, x));", CALL),
    plant_kernel("vstore4(max(vload4(0, x), a), 0, x);", CALL),
    plant_kernel("atomic_add((volatile __global int *)x, 1);", CALL),
    plant_kernel("x[0] = a / b;", "fdiv"),
    plant_kernel("float s = 0; for (uint i = 0; i < n; i++) s += x[i]; x[0] = s;", CHAIN),
    plant_kernel("float s = a; for (uint i = 0; i < n; i++) s = x[i] > b ? s + x[i + 1] + c : s; x[0] = s;", CHAIN),
    plant_kernel("x[0] = fma(a, b, c);"),
    plant_kernel("float s = 0; for (uint i = 0; i < n; i++) s = fma(x[i], a, s); x[0] = s;"),
    plant_kernel(
        "float s = a; for (uint i = 0; i < n; i++) s = arith_chain(s, x[i]); x[0] = s;", before='#include "arith.h"'
    ),
    plant_kernel("float4 s = a; for (uint i = 0; i < n; i++) s = s + vload4(i, x); vstore4(s, 0, x);"),
    plant_kernel("atomic_cmpxchg((volatile __global uint *)x, 0u, n);"),
    plant_kernel("vstore8(fma((float8)(a), vload8(0, x), vload8(1, x)), 0, x);"),
    plant_kernel("x[0] = (a + b) * c;"),
    plant_kernel("x[0] = a * b * c;"),
    plant_kernel("x[0] = fma(a * b, c, a);"),
    plant_kernel("x[min(n, 7u)] = as_float(as_uint(a * b) & 0x7fffffffu) + c;"),
    plant_kernel("x[get_global_id(0)] = convert_float(n) * a;"),
    plant_kernel("uint2 i = min((uint2)(n, 3), (uint2)(7)); x[i.x] = mul_hi(n, 5u); barrier(CLK_LOCAL_MEM_FENCE);"),
]
REFERENCES = [
    ("a * b + c", SUM),
    ("expf(a)", CALL),
    ("sqrt(a)", CALL),
    ("__builtin_fmaf(a, b, c)", None),
    ("a * b / c", None),
]


def self_test(clang):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plant.cl"

        def find(text):
            path.write_text(text)
            return check_kernel(clang, path)

        missed = check_plants(PLANTS, find)
        reference = Path(folder) / "plant.c"

        def find_reference(text):
            reference.write_text(
                f"#include <math.h>\nfloat f(float a, float b, float c);\n"
                f"float f(float a, float b, float c) {{ return {text}; }}\n"
            )
            return check_reference(clang, reference)

        missed += check_plants(((text, text, wrong) for text, wrong in REFERENCES), find_reference)
    return missed


def main():
    clang = find_clang()
    problems = self_test(clang)
    if "--self-test" in sys.argv[1:]:
        return report(problems, "self-test of lint_ir")
    for path in kernels():
        problems += check_kernel(clang, path)
    for path in sorted((ROOT / "src" / "ops").glob("*.c")):
        problems += check_reference(clang, path)
    return report(problems, "products that feed sums, and functions of vendors")


if __name__ == "__main__":
    sys.exit(main())
