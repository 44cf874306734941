#!/usr/bin/env python3
"""Plants bugs, one at a time, and reports what finds each: the cases of verify, the canonical trainings, or a test.

    tests/mutate/mutate.py BUILD [--sample N] [--only WORD] [--equivalent] [--keep FILE] [--jobs N]

BUILD is a build folder of gcc with -Dtests=true. Its files are left alone: what a mutation touches is compiled again
elsewhere and linked into a program of its own. The mutations are the rows of table.py. PoCL runs kernels without
optimization, which builds them several times as fast and gives the same bits.

The last line is `N mutations: N killed, N equivalent, N alive`; the exit status is 1 if one is alive, or if its text is
not found exactly once. --sample takes N rows, evenly spread. --equivalent tries those alone that are called equivalent,
and is content if they stay alive. --keep FILE keeps results, and goes on from them.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from table import MUTATIONS

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import embed  # noqa: E402

CASES = {"cpu": 40, "gpu": 40, "small-gpu": 40, "races": 4, "races-gpu": 4}  # random ones, after the edge shapes
LIMIT = 300  # seconds for a way: more is a hang, even on a machine that is busy
POCL = {"OCL_ICD_VENDORS": "/etc/OpenCL/vendors/pocl.icd", "POCL_EXTRA_BUILD_FLAGS": "-cl-opt-disable"}
OCLGRIND = {
    "OCL_ICD_VENDORS": "/usr/lib/oclgrind/liboclgrind-rt-icd.so",
    "OCLGRIND_CHECK_API": "1",
    "OCLGRIND_DATA_RACES": "1",
}


class Build:
    """What is needed from a build folder to compile and link a part of it again."""

    def __init__(self, folder):
        self.folder = Path(folder).resolve()
        self.compile = {}
        for entry in json.loads((self.folder / "compile_commands.json").read_text()):
            self.compile[entry["output"]] = (shlex.split(entry["command"]), entry["file"])
        self.includes = self.read_includes()
        self.link = {}

    def read_includes(self):
        """By object file, the sources and headers of the repository that it is made of."""
        text = self.run(["ninja", "-t", "deps"]).stdout
        found = {}
        for block in text.split("\n\n"):
            lines = block.splitlines()
            if lines:
                paths = [(self.folder / line.strip()).resolve() for line in lines[1:]]
                found[lines[0].split(":")[0]] = {str(p.relative_to(ROOT)) for p in paths if p.is_relative_to(ROOT)}
        return found

    def run(self, command, **more):
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=True, **more)

    def link_command(self, program):
        if program not in self.link:
            lines = self.run(["ninja", "-t", "commands", f"tests/{program}"]).stdout.strip().splitlines()
            self.link[program] = shlex.split(lines[-1])
        return list(self.link[program])

    def users(self, path, program):
        """The objects of the library, and of the program, that a file is compiled into."""
        places = [f"tests/{program}.p/"]
        if program != "test_arith":  # which uses the header alone
            places += ["libtassello-internal.a.p/", "src/libops.a.p/"]
        for output, paths in self.includes.items():
            if path in paths and output in self.compile and output.startswith(tuple(places)):
                yield output


def write_kernels(files, folder):
    """kernels.c as tools/embed.py writes it, but with the texts beside it: as arrays they take seconds to compile."""
    lines = ['#include "device/opencl/sources.h"']
    rows = []
    for path in files:
        name = f"text_{path.stem}"
        (folder / path.name).write_text("\n".join(embed.paste(path, [])) + "\n")
        place = f'.incbin \\"{folder / path.name}\\"\\n.byte 0'
        names = embed.names_of_kernels("\n".join(embed.paste(path, [])))
        lines.append(f'__asm__(".section .rodata\\n.globl {name}\\n{name}: {place}\\n.text");')
        lines.append(f"extern const char {name}[] __attribute__((visibility(\"hidden\")));")
        rows.append(f'    {{"{path.stem}", {name}{names}}},')
    lines += ["const cl_source cl_sources[] = {", *rows, "    {0},", "};"]
    lines += ["const cl_point cl_points[] = {", "    {0},", "};", ""]
    (folder / "kernels.c").write_text("\n".join(lines))


def mutate_text(row):
    text = (ROOT / row.path).read_text()
    if text.count(row.old) != 1:
        raise LookupError(f"{row.path}: found {text.count(row.old)} times, expected once: {row.old!r}")
    return text.replace(row.old, row.new)


def compile_object(build, output, folder, overlay):
    """Compiles one object with the overlay's files in place of the repository's."""
    command, source = build.compile[output]
    to = folder / output.replace("/", "_")
    replaced = overlay / (build.folder / source).resolve().relative_to(ROOT) if source != "kernels.c" else None
    arguments = [f"-I{overlay / 'src'}", f"-I{overlay / 'cl'}"]
    skip = False
    for word in command:
        if skip or word in ("-MD", "-Werror"):
            skip = False
        elif word in ("-MQ", "-MF", "-o"):
            skip = True
        elif word == source and replaced and replaced.exists():
            arguments.append(str(replaced))
        elif word == source and source == "kernels.c":
            arguments.append(str(folder / "kernels.c"))
        else:
            arguments.append(word)
    compiler = [i for i, word in enumerate(arguments) if re.search(r"(gcc|cc|clang)$", word)][-1]
    order = arguments[2 : compiler + 1] + arguments[:2] + arguments[compiler + 1 :]
    build.run([*order, "-o", str(to)])
    return to


def build_mutant(build, row, folder, program):
    """Links the program with what the mutation changes; returns its path."""
    overlay = folder / "overlay"
    for name in ("cl", "src/ops"):
        if row.path.startswith(name + "/"):
            shutil.copytree(ROOT / name, overlay / name, dirs_exist_ok=True)
    target = overlay / row.path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(mutate_text(row))
    outputs = [] if row.path.endswith(".cl") else list(build.users(row.path, program))
    if row.path.startswith("cl/"):
        write_kernels(sorted((overlay / "cl").glob("*.cl")), folder)
        outputs += [o for o in build.compile if o.endswith("_kernels.c.o")]
    objects = [compile_object(build, output, folder, overlay) for output in outputs]
    replaced = {o for o in outputs if o.startswith(f"tests/{program}.p/")}
    command = build.link_command(program)
    at = command.index("-o")
    words = command[:at] + ["-o", str(folder / program)] + [str(o) for o in objects] + command[at + 2 :]
    build.run([w for w in words if w not in replaced])
    return folder / program


def run_way(way, program, row, scratch, folder):
    """Runs one way of finding the bug; what it found, or None."""
    environment = dict(os.environ, XDG_CACHE_HOME=str(scratch / "cache"), POCL_CACHE_DIR=str(scratch / "pocl"))
    log = folder / "oclgrind.log"
    if way.startswith("races"):
        environment.update(OCLGRIND, OCLGRIND_LOG=str(log))
    else:
        environment.update(POCL)
    environment.update(CK_TIMEOUT_MULTIPLIER="20")
    if way == "digests":
        command = [program, "digests"]
    elif way.startswith("test "):
        command = [program]
    else:
        kernels = {"races": "cpu", "races-gpu": "gpu"}.get(way, way)
        command = [program, kernels, str(CASES[way]), *row.operations]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return "hangs"
    if log.exists() and log.read_text().strip():
        return log.read_text().strip().splitlines()[0]
    if done.returncode == 0:
        return None
    if done.returncode < 0:
        return f"ends by signal {-done.returncode}"
    lines = [line for line in done.stdout.splitlines() if not line.startswith(("Running", "TASSELLO"))]
    return (lines or done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]


def try_row(build, row, scratch, equivalent):
    """(status, way, what it found, seconds)"""
    start = time.monotonic()
    result = ("alive", "-", ", ".join(row.ways), 0.0)
    if row.equivalent:
        mutate_text(row)
        result = ("equivalent", "-", row.equivalent, 0.0)
        if not equivalent:
            return result
    for way in row.ways:
        program = "test_" + way[5:] if way.startswith("test ") else "first_difference"
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            try:
                binary = build_mutant(build, row, Path(folder), program)
            except subprocess.CalledProcessError as error:
                result = ("broken", way, error.stderr.strip().splitlines()[-1] if error.stderr else str(error), 0.0)
                break
            found = run_way(way, binary, row, scratch, Path(folder))
        if found is not None:
            result = ("broken" if row.equivalent else "killed", way, found, 0.0)
            break
    return (*result[:3], time.monotonic() - start)


def key_of(row):
    return f"{row.path}|{row.old}|{row.new}|{','.join(row.ways)}|{','.join(row.operations)}|{bool(row.equivalent)}"


def print_row(number, row, result):
    status, way, found, seconds = result
    line = " ".join(row.new.split()) or "(dropped)"
    print(f"{number:3} {status:10} {way:10} {seconds:6.1f} s  {row.path}: {line[:60]}  [{found[:100]}]", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--sample", type=int, help="so many rows, evenly spread")
    parser.add_argument("--only", help="rows whose file or replacement has this word")
    parser.add_argument("--equivalent", action="store_true", help="try those called equivalent, too")
    parser.add_argument("--keep", type=Path, help="keep results in this file, and go on from them")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    rows = [r for r in MUTATIONS if not arguments.only or arguments.only in r.path + r.new]
    if arguments.equivalent:
        rows = [r for r in rows if r.equivalent]
    if arguments.sample:
        real = [r for r in rows if not r.equivalent]
        rows = real[:: max(1, len(real) // arguments.sample)][: arguments.sample]
    kept = json.loads(arguments.keep.read_text()) if arguments.keep and arguments.keep.exists() else {}
    build = Build(arguments.build)
    programs = {"first_difference"} | {"test_" + w[5:] for r in rows for w in r.ways if w.startswith("test ")}
    build.run(["ninja", "--quiet", *(f"tests/{p}" for p in sorted(programs))])
    build.includes = build.read_includes()
    for program in programs:
        build.link_command(program)
    counts = {"killed": 0, "equivalent": 0, "alive": 0, "broken": 0}

    lock = threading.Lock()

    def work(row):
        result = kept.get(key_of(row))
        if not result or result[0] in ("broken", "alive"):
            result = try_row(build, row, scratch, arguments.equivalent)
        with lock:
            kept[key_of(row)] = result
            if arguments.keep:
                arguments.keep.write_text(json.dumps(kept, indent=1))
        return result

    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(os.environ.get("MUTATE_SCRATCH", temporary))
        with ThreadPoolExecutor(arguments.jobs) as pool:
            for number, (row, result) in enumerate(zip(rows, pool.map(work, rows)), 1):
                counts[result[0]] += 1
                print_row(number, row, result)
    broken = f", {counts['broken']} broken" if counts["broken"] else ""
    print(
        f"{len(rows)} mutations: {counts['killed']} killed, {counts['equivalent']} equivalent, "
        f"{counts['alive']} alive{broken}"
    )
    return 1 if counts["alive"] + counts["broken"] else 0


if __name__ == "__main__":
    sys.exit(main())
