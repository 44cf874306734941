"""What the lints share: where the sources are, how a kernel is compiled, how a lint reports.

A kernel file that needs options names each set of them in a comment at its top, one set a line:

    // lint: -D VEC=16 -D PANEL=32 -D ROWS=12 -D LEAST=4

Each lint that compiles kernels does so once a line; a file without such a line is compiled without options.
"""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SKIP = 77
LINT_LINE = re.compile(r"^\s*(?://|/?\*+)\s*lint:\s*(.*?)\s*(?:\*/)?\s*$")


def kernels(folder=ROOT / "cl"):
    found = sorted(Path(folder).glob("*.cl"))
    if not found:
        sys.exit(f"{folder}: no kernels there")
    return found


def option_sets(path):
    """The sets of options that a kernel file names; [[]] where it names none."""
    sets = [shlex.split(m[1]) for line in path.read_text().splitlines() if (m := LINT_LINE.match(line))]
    return sets or [[]]


def find_clang():
    """A clang that knows OpenCL C; without one the lint is skipped, saying so."""
    for name in ("clang-15", "clang-16", "clang-17", "clang-18", "clang-19", "clang", "clang-14"):
        if shutil.which(name):
            return name
    print("skipped: no clang")
    sys.exit(SKIP)


def compile_kernel(clang, path, options, *arguments):
    command = [
        clang,
        "-x",
        "cl",
        "-cl-std=CL1.2",
        "-target",
        "spir64",
        "-Xclang",
        "-finclude-default-header",
        f"-I{ROOT / 'cl'}",
        f"-I{path.parent}",
        *options,
        *arguments,
        str(path),
    ]
    return subprocess.run(command, capture_output=True, text=True)


def explain_failure(path, options, done):
    errors = done.stderr.strip().splitlines()
    text = f"{path.name} {' '.join(options)}: does not compile:\n" + "\n".join(errors[:6] + ["..."] * (len(errors) > 6))
    if not any(LINT_LINE.match(line) for line in path.read_text().splitlines()):
        text += f"\n(if it needs options, name them in {path.name} in lines `// lint: -D ...`)"
    return text


def report(problems, what):
    """Prints problems, each once and in order, and gives the exit status."""
    for problem in dict.fromkeys(problems):
        print(problem)
    count = len(set(problems))
    print(f"{what}: {count} problem{'' if count == 1 else 's'}")
    return 1 if problems else 0


def check_plants(plants, find):
    """The self-test. A plant is (name, text, wrong): find(text) must report what contains `wrong`, or nothing if it is
    None."""
    missed = []
    for name, text, wrong in plants:
        problems = find(text)
        if wrong is None and problems:
            missed.append(f"self-test: {name}: reported, although right: {problems[0]}")
        if wrong is not None and not any(wrong in problem for problem in problems):
            missed.append(f"self-test: {name}: not found: {wrong}; {problems}")
    return missed
