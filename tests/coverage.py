#!/usr/bin/env python3
"""Which branches of kernels verify takes, both ways, and how often loops run: zero times, once, several times.

    coverage.py BUILD

BUILD was configured with -Dtests=true -Dkernel_coverage=true. Runs `tassello verify` on PoCL as a processor whose
vectors have 4, 8 and 16 floats, and as a device of the kernels for GPUs with small and large groups (the fault layer
fakes both), and prints the outcomes that no run of a kind reached. Fails if one of them is not in coverage.txt, which
gives the reasons, or if a line there is not needed. cl/arith.h and cl/philox.h are left out: each has a test of its
own, of every value or of known answers.

coverage.txt: a line "= REASON", then lines "KIND | FILE | FUNCTION | CONDITION | OUTCOME". `*` and `?` stand for any
text, as in names of files.
"""

import argparse
import fnmatch
import json
import os
import subprocess
import sys
import tempfile
from collections import namedtuple
from pathlib import Path

HERE = Path(__file__).resolve().parent
POCL = "/etc/OpenCL/vendors/pocl.icd"
SKIPPED = 77

# kind, width of vectors, work-items in a group
RUNS = [("processor", 4, 4096), ("processor", 8, 4096), ("processor", 16, 4096), ("gpu", 1, 256), ("gpu", 1, 16)]

Outcome = namedtuple("Outcome", "kind file function text outcome")
Row = namedtuple("Row", "number pattern reason")


def verify(build, width, group, folder):
    """The rows of kernel_coverage."""
    output = Path(folder) / "verify.json"
    environment = dict(
        os.environ,
        OCL_ICD_VENDORS=POCL,
        OPENCL_LAYERS=str(build / "tests" / "libfault_layer.so"),
        TASSELLO_FAULT_VECTOR_WIDTH=str(width),
        TASSELLO_FAULT_MAX_GROUP=str(group),
    )
    tool = build / "tools" / "tassello"
    names = json.loads(run([tool, "verify", "--device", "reference", "--json", "-"], environment))
    operations = [row["operation"] for row in names["devices"][0]["rows"] if "training" not in row["operation"]]
    run([tool, "verify", "--device", "pocl", "--op", ",".join(operations), "--json", output], environment)
    return json.loads(output.read_text())["kernel_coverage"]


def run(command, environment):
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def measure(build):
    """Whether each outcome was reached, with the first line that it was seen at; prints one line per run."""
    reached, lines = {}, {}
    for kind, width, group in RUNS:
        with tempfile.TemporaryDirectory() as folder:
            rows = verify(build, width, group, folder)
        every = [o["reached"] for row in rows for o in row["outcomes"]]
        print(f"{kind}, vectors of {width}, groups of {group}: {sum(every)} of {len(every)} outcomes of all variants")
        sys.stdout.flush()
        for row in rows:
            for o in row["outcomes"]:
                key = Outcome(kind, o["file"], o["function"], o["text"], o["outcome"])
                reached[key] = reached.get(key, False) or o["reached"]
                lines.setdefault(key, o["line"])
    return reached, lines


def read_list(path):
    rows, reason = [], ""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("="):
            reason = line[1:].strip()
        elif line.strip() and not line.startswith("#"):
            fields = [field.strip() for field in line.split(" | ")]
            if len(fields) != len(Outcome._fields) or not reason:
                sys.exit(f"{path}:{number}: expected KIND | FILE | FUNCTION | CONDITION | OUTCOME after a reason")
            rows.append(Row(number, Outcome(*fields), reason))
    return rows


def matches(outcome, pattern):
    return all(
        fnmatch.fnmatchcase(*(text.replace("[", "(") for text in both))  # [ is no class of characters here
        for both in zip(outcome, pattern)
    )


def check(reached, rows):
    """(outcomes without a reason, rows that are not needed)"""
    missing = [outcome for outcome, ran in reached.items() if not ran]
    needed = {row for row in rows for outcome in missing if matches(outcome, row.pattern)}
    bare = [outcome for outcome in missing if not any(matches(outcome, row.pattern) for row in rows)]
    return bare, [row for row in rows if row not in needed]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--save", type=Path, help="write what was measured")
    parser.add_argument("--load", type=Path, help="read what was measured")
    arguments = parser.parse_args()
    if not Path(POCL).exists():
        print("PoCL is not installed")
        return SKIPPED
    if arguments.load:
        saved = json.loads(arguments.load.read_text())
        reached = {Outcome(*row[:5]): row[5] for row in saved}
        lines = {Outcome(*row[:5]): row[6] for row in saved}
    else:
        reached, lines = measure(arguments.build.resolve())
    if arguments.save:
        arguments.save.write_text(json.dumps([[*key, reached[key], lines[key]] for key in reached]))

    bare, unneeded = check(reached, read_list(HERE / "coverage.txt"))
    for kind in dict.fromkeys(outcome.kind for outcome in reached):
        own = [ran for outcome, ran in reached.items() if outcome.kind == kind]
        print(f"kernels for {kind}s: {sum(own)} of {len(own)} outcomes reached")
    for outcome in bare:
        kind, file, function, text, name = outcome
        print(f"cl/{file}:{lines[outcome]}: never reached: {kind} | {file} | {function} | {text} | {name}")
    for row in unneeded:
        print(f"coverage.txt:{row.number}: every outcome that it stands for was reached")
    return 1 if bare or unneeded else 0


if __name__ == "__main__":
    sys.exit(main())
