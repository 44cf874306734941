#!/usr/bin/env python3
"""The rules that can be read off the sources' text.

- cl/ and src/ops/: no fmin, fmax, clamp, native_*, half_*, mad (rules 1 and 3 of the contract); each kernel turns
  contraction off, and unrolls by a pragma, not by an attribute that OpenCL C 1.2 does not have
- cl/: no atomic function but the one that sets the record of what was not finite first
- cl/: no get_group_id and the like, which do not count a launch's offset
- includes go only where the table of folders allows (CONTRIBUTING.md)
- no line is wider than 120 columns, but for tables and programs' output in documents
- sources are ASCII; nothing in the product names the folder of notes beside the repository
- a file of more than 600 lines is noted, and is not a failure

--self-test looks for planted mistakes alone; without it they come first.
"""

import re
import sys
import tempfile
from pathlib import Path

from lint_common import ROOT, check_plants, report

LONG, WIDTH = 600, 120
FORBIDDEN = re.compile(r"\b(fminf?|fmaxf?|clamp|mad|native_\w+|half_\w+|fast_(?:length|distance|normalize))\s*\(")
UNROLL_HINT = re.compile(r"\bopencl_unroll_hint\b")  # of OpenCL C 2.0: compilers may ignore or refuse it
ATOMIC = re.compile(r"\batom(?:ic)?_\w+")
ATOMIC_PLACE = "cl/first_bad.h", "atomic_cmpxchg"  # the only one of kernels: file and function
PRAGMA = re.compile(r"^\s*#\s*pragma\s+OPENCL\s+FP_CONTRACT\s+OFF\b", re.M)
# A launch that is cut into pieces changes what these say.
PLACES = re.compile(r"\b(get_group_id|get_num_groups|get_global_size)\s*\(")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
COMMENT = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.S)

# Of cl/, which anyone may include.
SHARED_HEADERS = {
    "activation_functions.h",
    "arith.h",
    "gradient_mean.h",
    "loss_functions.h",
    "philox.h",
    "binary_tree.h",
    "preconditioner.h",
}
# Of cl/, for kernels alone.
KERNEL_HEADERS = {
    "adam_move.h", "block_sums.h", "dense_bias.h", "dense_move.h", "dense_outputs.h", "dense_sums.h", "each_alone.h",
    "finish.h", "first_bad.h", "fours.h", "gradient_means.h", "granule_pass.h", "sgd_move.h", "unroll.h",
    "update_run.h", "vectors.h",
    "work_group.h"
}
# What each folder of src/ may include beside itself. Everything below base/ and ops/ is named, nothing is implied.
FOLDERS = {
    "base": set(),
    "stats": set(),
    "exchange": {"base"},
    "ops": {"base"},
    "data": {"base"},
    "network": {"base", "ops"},
    "onnx": {"base", "ops", "network"},
    "plan": {"base", "ops", "network"},
    "device": {"base", "ops"},
    "model": {"base", "ops", "network", "onnx", "plan", "device"},
    "train": {"base", "stats", "exchange", "ops", "data", "network", "plan", "device", "model"},
    "lab": {"base", "stats", "exchange", "ops", "data", "network", "plan", "device", "model", "train"},
    "verify": {"base", "ops", "data", "network", "plan", "device", "model", "train"},
}


def strip_comments(text):
    """The text without comments and without the insides of strings, its lines where they were."""
    return COMMENT.sub(lambda m: '""' if m[0][0] == '"' else re.sub(r"[^\n]", " ", m[0]), text)


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def check_functions(name, text):
    bare = strip_comments(text)
    return [f"{name}:{line_of(bare, m.start())}: {m[1]} is not allowed here" for m in FORBIDDEN.finditer(bare)]


def check_atomics(name, text):
    bare = strip_comments(text)
    found = [(line_of(bare, m.start()), m[0]) for m in ATOMIC.finditer(bare)]
    if (name, [function for _line, function in found]) == (ATOMIC_PLACE[0], [ATOMIC_PLACE[1]]):
        return []
    return [f"{name}:{line}: {function}: kernels have one atomic, in {ATOMIC_PLACE[0]}" for line, function in found]


def reached_folder(root, path, include):
    """The folder of src/ (or 'cl', 'tools', 'tests') that a quoted include reaches; '' for a file made by the build."""
    beside = path.parent / include
    places = [beside, root / "src" / include, root / "cl" / include]
    found = next((p for p in places if p.exists()), None)
    if not found and include.startswith(".."):
        found = beside
    if not found:
        return include.split("/")[0] if "/" in include else ""
    parts = found.resolve().relative_to(root.resolve()).parts
    return parts[1] if parts[0] == "src" else parts[0]


def check_include(root, path, name, system, include, internals):
    """One include of one file. internals collects the folders whose internals a test has reached."""
    top, *rest = path.relative_to(root).parts
    if system:
        ours = include.startswith("tassello/")
        return (
            f"{name}: the public headers include each other alone, as <tassello/...>" if top == "cl" and ours else None
        )
    if include in SHARED_HEADERS and top not in ("include", "tools"):
        return None
    folder = reached_folder(root, path, include)
    if top == "include":
        return f"{name}: {include}: the public headers include <tassello/...> alone"
    if include in KERNEL_HEADERS:
        return None if top == "cl" else f"{name}: {include} is for kernels alone"
    if top == "cl":
        return f"{name}: {include}: kernels include headers of cl/ alone"
    if top == "tools" and folder not in ("tools", ""):
        return f"{name}: {include}: tools use the public headers alone"
    if top == "tests" and folder in FOLDERS:
        internals.add(folder)
    if top == "src" and folder in FOLDERS and folder != rest[0] and folder not in FOLDERS.get(rest[0], set()):
        return f"{name}: {include}: {rest[0]}/ may not include {folder}/"
    return None


def check_includes(root, path, name, text):
    internals, problems = set(), []
    for m in INCLUDE.finditer(text):
        problem = check_include(root, path, f"{name}:{line_of(text, m.start(2))}", m[1] == "<", m[2], internals)
        if problem:
            problems.append(problem)
    internals -= {"base", "ops"}  # words that all share
    tops = {f for f in internals if not any(f in FOLDERS[other] for other in internals)}
    if len(tops) > 1:
        problems.append(f"{name}: a test reaches into one folder, not into {' and '.join(sorted(internals))}")
    return problems


def check_text(name, text):
    problems = []
    prose = name.endswith(".md")
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > WIDTH and not (prose and line.startswith(("|", "    "))):  # tables, and what programs print
            problems.append(f"{name}:{number}: {len(line)} columns; {WIDTH} are the most")
        if not line.isascii():
            problems.append(f"{name}:{number}: not ASCII: {next(c for c in line if not c.isascii())!r}")
        if "../sh" "ared" in line or "/work/sh" "ared" in line:
            problems.append(f"{name}:{number}: names a folder outside the repository")
    return problems


def sources(root):
    for folder, patterns in (
        ("include", ["*.h"]),
        ("cl", ["*.cl", "*.h"]),
        ("src", ["*.c", "*.h"]),
        ("tests", ["*"]),
        ("tools", ["*"]),
    ):
        for pattern in patterns:
            yield from (
                p for p in sorted((root / folder).rglob(pattern)) if p.is_file() and "__pycache__" not in p.parts
            )
    for name in ("meson.build", "meson_options.txt", "README.md", "CONTRIBUTING.md"):
        yield from (p for p in (root / name,) if p.exists())
    yield from sorted((root / "doc").glob("*.md"))


def check_tree(root):
    problems = []
    for path in sources(root):
        name = str(path.relative_to(root))
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue  # a test's binary data
        problems += check_text(name, text)
        if path.suffix not in (".c", ".h", ".cl"):
            continue
        problems += check_includes(root, path, name, text)
        if name.startswith(("cl/", "src/ops/")):
            problems += check_functions(name, text)
        if name.startswith("cl/"):
            problems += check_atomics(name, text)
        if name.startswith("cl/") and UNROLL_HINT.search(strip_comments(text)):
            problems.append(f"{name}: opencl_unroll_hint is OpenCL C 2.0: UNROLL of unroll.h, or #pragma unroll N")
        if path.suffix == ".cl":
            problems += [f"{name}: {m[1]} instead of work_group_id" for m in PLACES.finditer(strip_comments(text))]
        if path.suffix == ".cl" and not PRAGMA.search(text) and not PRAGMA.search(read_if(root / "cl" / "arith.h")):
            problems.append(f"{name}: #pragma OPENCL FP_CONTRACT OFF is missing")
        if text.count("\n") > LONG:
            print(f"note: {name} has {text.count(chr(10))} lines; {LONG} is much")
    return problems


def read_if(path):
    return path.read_text() if path.exists() else ""


PRAGMA_LINE = "#pragma OPENCL FP_CONTRACT OFF\n"
PLANTS = [
    ("fmin in a kernel", ("cl/a.cl", PRAGMA_LINE + "x = fmin(a, b);\n"), "fmin is not allowed"),
    ("native_exp", ("cl/a.cl", PRAGMA_LINE + "x = native_exp (a);\n"), "native_exp is not allowed"),
    ("clamp in a reference", ("src/ops/a.c", "x = clamp(a, 0, 1);\n"), "clamp is not allowed"),
    ("fmaxf in a reference", ("src/ops/a.c", "x = fmaxf(a, b);\n"), "fmaxf is not allowed"),
    ("fmin in a comment", ("cl/a.cl", PRAGMA_LINE + "/* not\n fmin(a, b) */\n"), None),
    (
        "a hint of OpenCL C 2.0",
        ("cl/a.cl", PRAGMA_LINE + "__attribute__((opencl_unroll_hint(2))) for (;;)\n"),
        "opencl_unroll_hint is OpenCL C 2.0",
    ),
    ("a pragma to unroll", ("cl/a.cl", PRAGMA_LINE + "// no opencl_unroll_hint\n#pragma unroll 2\nfor (;;)\n"), None),
    ("an atomic sum", ("cl/a.cl", PRAGMA_LINE + "atomic_add(&x[0], 1);\n"), "a.cl:2: atomic_add"),
    ("an atomic of an extension", ("cl/a.h", "atom_cmpxchg(&x[0], 0, 1);\n"), "atom_cmpxchg"),
    ("another atomic there", ("cl/first_bad.h", "atomic_xchg(&x[0], 0);\n"), "atomic_xchg"),
    ("a second atomic there", ("cl/first_bad.h", "atomic_cmpxchg(x, 0, 1);\n" * 2), "first_bad.h:2"),
    ("the atomic", ("cl/first_bad.h", "/* atomic_add */\natomic_cmpxchg(x, 0, 1);\n"), None),
    ("a group's number", ("cl/a.cl", PRAGMA_LINE + "x = get_group_id(0);\n"), "instead of work_group_id"),
    ("no pragma", ("cl/a.cl", "x = 1;\n"), "FP_CONTRACT"),
    ("ops includes device", ("src/ops/a.c", '#include "device/device.h"\n'), "ops/ may not include device/"),
    (
        "device includes network",
        ("src/device/a.c", '#include "network/network.h"\n'),
        "device/ may not include network/",
    ),
    ("by a path upwards", ("src/base/a.c", '#include "../ops/op.h"\n'), "may not include"),
    ("train includes device", ("src/train/a.c", '#include "device/device.h"\n#include "arith.h"\n'), None),
    ("a tool's internals", ("tools/a.c", '#include "base/context.h"\n'), "public headers alone"),
    ("a kernel's C", ("cl/a.cl", PRAGMA_LINE + '#include "base/context.h"\n'), "kernels include headers of cl/ alone"),
    ("a header of kernels", ("cl/a.cl", PRAGMA_LINE + '#include "granule_pass.h"\n'), None),
    ("a kernel's header in C", ("src/device/a.c", '#include "granule_pass.h"\n'), "for kernels alone"),
    ("a header's internals", ("include/tassello/a.h", '#include "base/context.h"\n'), "<tassello/...> alone"),
    ("a test of two folders", ("tests/a.c", '#include "device/device.h"\n#include "data/data.h"\n'), "one folder"),
    ("a test of one folder", ("tests/a.c", '#include "device/device.h"\n#include "base/context.h"\n'), None),
    ("a wide line", ("src/ops/a.c", "/* " + "x" * 120 + " */\n"), "columns"),
    ("a wide sentence", ("README.md", "x" * 121 + "\n"), "columns"),
    ("a wide table", ("README.md", "| " + "x" * 121 + " |\n"), None),
    ("not ASCII", ("src/ops/a.c", "/* \u00b2 */\n"), "not ASCII"),
    ("outside", ("tools/a", "cat ../sh" "ared/x\n"), "outside the repository"),
]


def self_test():
    def find(plant):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / plant[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(plant[1])
            return check_tree(Path(folder))

    return check_plants(PLANTS, find)


def main():
    problems = self_test()
    if "--self-test" in sys.argv[1:]:
        return report(problems, "self-test of lint_source")
    return report(problems + check_tree(ROOT), "rules of the sources")


if __name__ == "__main__":
    sys.exit(main())
