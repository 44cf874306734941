#!/usr/bin/env python3
"""What the compiler is told: options that would change bits are refused, by cl/arith.h and by meson.build, and
functions are cloned for processors only where the C library resolves ifuncs (glibc does, musl does not).
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from lint_common import ROOT, report

# Options, and whether cl/arith.h can see them with clang, which has no macro for the parts of -ffast-math.
FLAGS = [
    ("-ffast-math", True),
    ("-Ofast", True),
    ("-ffinite-math-only", True),
    ("-funsafe-math-optimizations", False),
    ("-fassociative-math -fno-trapping-math -fno-signed-zeros", False),
    ("-freciprocal-math", False),
    ("-fno-signed-zeros", False),
]
ALLOWED = ["-O2", "-O3", "-fno-math-errno", "-march=native"]


def compile_line(compiler, flags):
    command = [compiler, "-x", "c", "-std=c11", "-fsyntax-only", f"-I{ROOT / 'cl'}", *flags.split(), "-"]
    return subprocess.run(
        command, input='#include "arith.h"\nfloat f(float x) { return arith_exp(x); }\n', capture_output=True, text=True
    )


def check_arith(compiler):
    problems = []
    for flags, seen_by_clang in FLAGS:
        done = compile_line(compiler, flags)
        refused = done.returncode and "IEEE binary32 as written" in done.stderr
        if not refused and (seen_by_clang or "gcc" in compiler):
            problems.append(f"cl/arith.h: {compiler} {flags}: expected an error")
    for flags in ALLOWED:
        done = compile_line(compiler, flags)
        if done.returncode:
            problems.append(f"cl/arith.h: {compiler} {flags}: {done.stderr.strip()}")
    return problems


def check_meson():
    """Each refused by name, and one of them by meson itself."""
    text = (ROOT / "meson.build").read_text()
    refused = re.search(r"foreach flag : \[(.*?)\]", text, re.S)
    problems = [
        f"meson.build: {word} is not refused"
        for flags, _ in FLAGS
        for word in flags.split()
        if word != "-fno-trapping-math" and (not refused or f"'{word}'" not in refused[1])
    ]
    with tempfile.TemporaryDirectory() as folder:
        meson = shutil.which("meson")
        done = subprocess.run(
            [meson, "setup", Path(folder) / "build", ROOT, "-Dc_args=-O2 -fassociative-math"],
            capture_output=True,
            text=True,
            env={**os.environ, "CFLAGS": ""},
        )
        if done.returncode == 0 or "-fassociative-math" not in done.stdout + done.stderr:
            problems.append("meson.build: -Dc_args=-fassociative-math: expected an error that names it")
    return problems


def clones_of(compiler, *flags):
    """What CLONES is there, for x86-64."""
    command = [compiler, "-x", "c", "-E", "-P", f"-I{ROOT / 'src'}", *flags, "-"]
    done = subprocess.run(
        command, input='#include "ops/clones.h"\nCLONES_ARE CLONES;\n', capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"src/ops/clones.h: {compiler}: {done.stderr.strip()}")
    return done.stdout.split("CLONES_ARE", 1)[1].strip(" ;\n")


def check_clones(compiler):
    problems = []
    if os.uname().machine != "x86_64":
        return problems
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "stdint.h").write_text("typedef unsigned uint32_t;\n")  # of a library that is not glibc
        if clones_of(compiler, "-nostdinc", f"-I{folder}"):
            problems.append(f"src/ops/clones.h: {compiler}: functions are cloned without glibc")
    if "target_clones" not in clones_of(compiler):
        problems.append(f"src/ops/clones.h: {compiler}: functions are not cloned with glibc")
    return problems


def main():
    compilers = [name for name in ("gcc", "clang") if shutil.which(name)]
    problems = check_meson()
    for compiler in compilers:
        problems += check_arith(compiler) + check_clones(compiler)
    if shutil.which("musl-gcc") and clones_of("musl-gcc"):
        problems.append("src/ops/clones.h: musl-gcc: functions are cloned")
    sys.exit(report(problems, "compilers' options"))


main()
