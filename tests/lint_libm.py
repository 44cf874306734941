#!/usr/bin/env python3
"""No number that reaches a weight comes from libm, whose bits differ by version (rule 3 of the contract).

    lint_libm.py FOLDER ...   looks with nm -u at the objects of the library below each folder (Meson's libNAME.a.p,
    ...)

Of libm only fmaf, which is exact, and the functions of the floating-point state are allowed. verify/ and lab/ state
errors and statistics, and no weight comes from them. --self-test looks for planted mistakes alone; without it they
come first.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from lint_common import SKIP, check_plants, report

ALLOWED = re.compile(r"^(?:fmaf|fe(?:get|set|hold|clear|raise|test|update|enable|disable)\w*)$")
FOLDERS = ("base", "ops", "data", "network", "plan", "device", "model", "train")
OBJECT = re.compile(rf"(?:^|.*[_/])({'|'.join(FOLDERS)})_(?!format\.)[\w-]+\.c\.o$")  # format.c: text for people
COMPILER = shutil.which(os.environ.get("CC", "cc").split()[0]) or shutil.which("gcc") or shutil.which("clang")


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def libm_names():
    """What libm defines, asked of the libm that the compiler links."""
    folder = Path(run(COMPILER, "-print-file-name=libm.so.6").strip())
    if not folder.is_absolute():
        print("skipped: libm.so.6 was not found")
        sys.exit(SKIP)
    names = re.findall(r" [TWiV] (\w+)", run("nm", "-D", "--defined-only", str(folder)))
    return {name for name in names if not ALLOWED.match(name)} | {"__" + name + "_finite" for name in names}


def check_object(path, forbidden):
    used = re.findall(r"\bU (\w+)", run("nm", "-u", str(path)))
    return [f"{path.name}: uses {name} of libm" for name in used if name in forbidden]


PLANTS = [
    ("expf", "return expf(a);", "expf"),
    ("sqrt", "return (float)sqrt(a);", "sqrt"),
    ("powf", "return powf(a, b);", "powf"),
    ("fminf", "return fminf(a, b);", "fminf"),
    ("fmaf", "return fmaf(a, b, a);", None),
    ("a sum", "return a + b;", None),
]


def self_test(forbidden):
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "plant.c", Path(folder) / "plant.o"

        def find(text):
            source.write_text(
                f"#include <math.h>\nfloat f(float a, float b);\nfloat f(float a, float b) {{ (void)b; {text} }}\n"
            )
            run(COMPILER, "-O0", "-fno-builtin", "-c", str(source), "-o", str(target))
            return check_object(target, forbidden)

        return check_plants(PLANTS, find)


def main():
    forbidden = libm_names()
    problems = self_test(forbidden)
    if "--self-test" in sys.argv[1:]:
        return report(problems, "self-test of lint_libm")
    found = {
        (path, m[1]) for folder in sys.argv[1:] for path in Path(folder).rglob("*.o") if (m := OBJECT.match(str(path)))
    }
    for folder in ("ops", "network", "train"):  # a renamed build folder must not make this lint silent
        if not any(f == folder for _path, f in found):
            problems.append(f"no object of src/{folder}/ below {' '.join(sys.argv[1:]) or '(no folder named)'}")
    for path, _folder in sorted(found):
        problems += check_object(path, forbidden)
    return report(problems, f"functions of libm in {len(found)} objects")


if __name__ == "__main__":
    sys.exit(main())
