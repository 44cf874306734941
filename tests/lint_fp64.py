#!/usr/bin/env python3
"""No kernel needs double precision, which many devices do not have: each is compiled without it, warnings being errors.

--self-test looks for planted mistakes alone; without it they come first.
"""

import sys
import tempfile
from pathlib import Path

from lint_common import check_plants, compile_kernel, explain_failure, find_clang, kernels, option_sets, report

HEAD = "__kernel void k(__global float *x, float a)\n"
PLANTS = [
    ("a literal", HEAD + "{ x[0] = a * 0.1; }\n", "does not compile"),
    ("a variable", HEAD + "{ double d = a; x[0] = (float)d; }\n", "does not compile"),
    ("an argument", "__kernel void k(__global double *x) { x[0] = 1; }\n", "does not compile"),
    ("floats alone", HEAD + "{ x[0] = a * 0.1f; }\n", None),
]


def check_kernel(clang, path):
    done = [
        (options, compile_kernel(clang, path, options, "-Xclang", "-cl-ext=-cl_khr_fp64", "-Werror", "-fsyntax-only"))
        for options in option_sets(path)
    ]
    return [explain_failure(path, options, d) for options, d in done if d.returncode]


def self_test(clang):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plant.cl"

        def find(text):
            path.write_text(text)
            return check_kernel(clang, path)

        return check_plants(PLANTS, find)


def main():
    clang = find_clang()
    problems = self_test(clang)
    if "--self-test" in sys.argv[1:]:
        return report(problems, "self-test of lint_fp64")
    for path in kernels():
        problems += check_kernel(clang, path)
    return report(problems, "kernels without double precision")


if __name__ == "__main__":
    sys.exit(main())
