#!/usr/bin/env python3
"""Runs the reference and the kernels on all that is at hand: other processors, compilers, levels of optimization,
libcs, work-group methods and drivers. A row per variant; the last line is `N passed, N failed, N skipped`.

    vendors.py TASSELLO [WORD]...    TASSELLO: the command of a build of this tree; WORD: only rows whose names have one

A row passes if both canonical digests are the expected ones, and whatever else it compares is equal. Nothing is
installed. What is missing is named in the row that is skipped. Libraries for other processors are built from Debian's
sources by tests/vendors/sources, in $XDG_CACHE_HOME/tassello-vendors (or ~/.cache/...); builds are in build-vendors/.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "cli"))
import common  # noqa: E402

BUILDS = ROOT / "build-vendors"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tassello-vendors"
DIGESTS = (
    "3595960705381ef1d4b1ccf60fb75b5c457147171548c49a2ea2dfcd28a6d8ad",
    "b7e9626fe7f6e361fcca566adb4536e9b9e8e6f490f77843ec78cfc5fb6d1d09",
)
# What reads or writes bytes, and arithmetic; the rest of the unit suite has nothing of a processor's own. Not `base`:
# qemu 7.2 passes on only a part of what statx() answers. Nor `idx` on s390x, where it maps no file of some bytes.
SUITES = ("arith", "cifar", "csv", "data", "idx", "init", "libsvm", "npy", "onnx", "run_file",
          "safetensors", "shuffle", "snapshot", "state")


class Failed(Exception):
    pass


class Missing(Exception):
    """What a row needs and this machine lacks, and how to get it."""


def need_command(name, package):
    if not shutil.which(name):
        raise Missing(f"no {name}: apt-get install {package}")


def need_file(path, what, package):
    if not Path(path).exists():
        raise Missing(f"no {what} ({path}): apt-get install {package}")


def run(command, env=None, log=None, limit=3600):
    """Runs it; its output, which a failure ends with."""
    try:
        done = subprocess.run([str(c) for c in command], env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                              timeout=limit, check=False)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{command[0]}: not done in {limit} s") from error
    if log:
        log.write_text(done.stdout)
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        wrong = [line for line in lines if re.search(r"error|wrong|FAILED|:F:|:E:", line)]
        raise Failed(f"status {done.returncode}: {' | '.join((wrong or lines)[-3:])}")
    return done.stdout


def build(name, *arguments, targets=("tools/tassello",), env=None):
    """The build folder of that name, up to date."""
    folder = BUILDS / name
    if not (folder / "build.ninja").exists():
        shutil.rmtree(folder, ignore_errors=True)
        run(["meson", "setup", folder, ROOT, "-Dwerror=true", *arguments], env)
    run(["ninja", "-C", folder, f"-j{os.cpu_count()}", *targets], env)
    return folder


def verify(program, env=None, *arguments):
    """The cases that passed and failed. Both digests must be the expected ones."""
    text = run([*program, "verify", *arguments, "--json", "-"], env)
    found = json.loads(text[text.index('{"'):].splitlines()[0])["devices"][0]
    if tuple(found["digests"]) != DIGESTS:
        raise Failed("digests " + " ".join(digest[:16] for digest in found["digests"]))
    return [sum(row[word] for row in found["rows"]) for word in ("passed", "failed")]


# ------------------------------------------------------------------------------------------------------------ the rows

class Row:
    def __init__(self, name, function, *arguments):
        self.name, self.function, self.arguments = name, function, arguments
        self.folder = re.sub(r"\W+", "-", name)  # below build-vendors
        self.notes = []


def reference(program, env=None):
    verify(program, env, "--device", "reference")


def with_compiler(row, compiler, package, options, runner=()):
    need_command(compiler, package)
    folder = build(row.folder, *options, env={"CC": compiler})
    reference([*runner, folder / "tools" / "tassello"])


def without_fma(row, options):
    """The clone of each reference for machines without fma, which computes it by integers."""
    need_command("qemu-x86_64", "qemu-user")
    need_command("gcc", "gcc")
    folder = build("gcc-O3", *options, env={"CC": "gcc"})
    reference(["qemu-x86_64", "-cpu", "Nehalem", folder / "tools" / "tassello"])


def with_v4(row, options):
    flags = Path("/proc/cpuinfo").read_text()
    lacks = [flag for flag in ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl") if f" {flag}" not in flags]
    if lacks:
        raise Missing(f"this processor has no {lacks[0]}; qemu-x86_64 has none either")
    with_compiler(row, "gcc", "gcc", [*options, "-Dc_args=-march=x86-64-v4"])


def sources(name, host, compiler):
    """Where the libraries for a processor are, built if need be."""
    prefix = CACHE / name
    if not (prefix / "complete").exists():
        for command, package in (("curl", "curl"), ("cmake", "cmake"), ("make", "make")):
            need_command(command, package)
        print(f"building libraries for {name} in {prefix}; Debian's sources are fetched unless they are in {CACHE}",
              file=sys.stderr)
        try:
            run([ROOT / "tests" / "vendors" / "sources", CACHE, prefix, host, compiler])
        except Failed as failure:
            raise Missing(f"libraries from Debian's sources: {failure}; see {prefix}/log") from failure
    return {"PKG_CONFIG_LIBDIR": str(prefix / "lib" / "pkgconfig")}


LEAN = ("-Dopencl=disabled", "-Dpng=disabled", "-Djpeg=disabled", "-Dzip=disabled")


def on_processor(row, host, native):
    """Digests, files and suites of another processor, by qemu."""
    suites = [suite for suite in SUITES if (suite, row.name) != ("idx", "s390x")]
    processor = host.split("-", maxsplit=1)[0]
    need_command(f"{host}-gcc", f"gcc-{host}")
    need_command(f"qemu-{processor}", "qemu-user")
    env = sources(row.name, host, f"{host}-gcc")
    targets = ("tools/tassello", *(f"tests/test_{suite}" for suite in suites))
    folder = build(row.folder, *LEAN, "--cross-file", ROOT / "tests" / "vendors" / f"{row.name}.ini",
                   "-Dtests=true", "-Donnx=enabled", "-Doptimization=2", targets=targets, env=env)
    program = folder / "run"
    emulator = ["qemu-" + processor, "-L", "/usr/" + host]
    program.write_text(f"#!/bin/sh\nexec {' '.join(emulator)} '{folder}/tools/tassello' \"$@\"\n")
    program.chmod(0o755)
    reference([program])
    compare_files(row, native, program)
    tests = 0
    for suite in suites:
        text = run([*emulator, folder / "tests" / f"test_{suite}"],
                   {"CK_TIMEOUT_MULTIPLIER": "60", "CK_EXCLUDE_TAGS": "statistics"}, folder / f"{suite}.log")
        tests += int(re.search(r"100%: Checks: (\d+)", text)[1])
    row.notes.append(f"{tests} tests of {len(suites)} suites")


def with_musl(row):
    need_command("musl-gcc", "musl-tools")
    env = {**sources("musl", "x86_64-linux-musl", "musl-gcc"), "CC": "musl-gcc"}
    folder = build("musl", *LEAN, "-Donnx=disabled", "-Dtests=true", targets=("tests/digests",), env=env)
    if tuple(run([folder / "tests" / "digests"]).split()) != DIGESTS:
        raise Failed("other digests")
    row.notes.append("the library and tests/vendors/digests.c: the command needs argp, of glibc")


# ------------------------------------------------------------------------------------------------------------- files

IMAGE_NET = "input 1x8x8\nconv2d 8 3\nbatch_norm\nrelu\ndropout 0.25\nmax_pool 2\ndense 4\n"
TABLE_NET = "input 5\ndense 12\nrelu\ndense 3\n"
SECONDS = re.compile(rb'("seconds\\*":|progress\\*":\[\d+,\d+,\w+,)[-+.\de]+')


def make_data(folder):
    shutil.rmtree(folder, ignore_errors=True)
    common.make_set(folder / "idx")
    rows, labels, _values = common.draw_table()
    (folder / "npy").mkdir()
    (folder / "npy" / "x.npy").write_bytes(common.npy("f", (200, 5), common.flat(rows)))
    (folder / "npy" / "y.npy").write_bytes(common.npy("i", (200,), labels))
    (folder / "image.net").write_text(IMAGE_NET)
    (folder / "table.net").write_text(TABLE_NET)
    return folder


def write_files(program, data, out, resumed):
    """Trains, resumes from what `resumed` has, exports and predicts; the bytes of each file but for seconds."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    train = [program, "train", "--device", "reference"]
    run([*train, data / "image.net", data / "idx", "--steps", "20", "--batch", "16", "--lr", "0.01", "--optimizer",
         "adamw", "--save", out / "a.safetensors"])
    run([*train, data / "image.net", data / "idx", "--resume", resumed / "a.safetensors", "--steps", "30", "--save",
         out / "b.safetensors"])
    run([*train, data / "table.net", data / "npy", "--steps", "20", "--save", out / "table.safetensors"])
    run([program, "export", out / "b.safetensors", out / "b.onnx"])
    run([program, "import", out / "b.onnx", out / "again.safetensors"])
    run([program, "predict", "--device", "reference", out / "b.safetensors", data / "idx", "--csv"],
        log=out / "predictions.csv")
    return {p.name: read_file(p) for p in sorted(out.iterdir())}


def read_file(path):
    """The header's length and padding vary with the seconds in it."""
    data = path.read_bytes()
    if path.suffix != ".safetensors":
        return data
    end = 8 + int.from_bytes(data[:8], "little")
    return SECONDS.sub(rb"\1S", data[8:end]).rstrip() + data[end:]


def compare_files(row, native, program):
    data = make_data(BUILDS / "data")
    here = write_files(native, data, BUILDS / "files" / "here", BUILDS / "files" / "here")
    there = write_files(program, data, BUILDS / "files" / row.name, BUILDS / "files" / "here")
    if list(here) != list(there):
        raise Failed(f"files: {list(there)}, expected {list(here)}")
    for name, bytes_here in here.items():
        if there[name] != bytes_here:
            raise Failed(f"{name} differs from that of x86-64: see {BUILDS}/files")
    row.notes.append(f"{len(here)} files equal to those of x86-64")


# ----------------------------------------------------------------------------------------------------------- drivers

def find_intel():
    """Intel's runtime has no package of Debian's: an .icd in its usual place, or the one that is named."""
    for place in (os.environ.get("TASSELLO_INTEL_ICD", ""), *map(str, Path("/etc/OpenCL/vendors").glob("intel*.icd"))):
        if place and Path(place).exists() and "intelocl" in Path(place).read_text():
            return place
    raise Missing("no CPU runtime of Intel's: pip install intel-opencl-rt into a virtual environment, write the path "
                  "of its libintelocl.so into an .icd file, and name that file by TASSELLO_INTEL_ICD")


VENDORS = "/etc/OpenCL/vendors"
OCLGRIND = "/usr/lib/oclgrind/liboclgrind-rt-icd.so"


def driver_env(name):
    if name == "pocl":
        need_file(f"{VENDORS}/pocl.icd", "PoCL", "pocl-opencl-icd")
        return {"OCL_ICD_VENDORS": f"{VENDORS}/pocl.icd"}
    if name == "rusticl":
        need_file(f"{VENDORS}/rusticl.icd", "rusticl", "mesa-opencl-icd")
        return {"OCL_ICD_VENDORS": f"{VENDORS}/rusticl.icd", "RUSTICL_ENABLE": "llvmpipe"}
    if name == "oclgrind":
        need_file(OCLGRIND, "Oclgrind", "oclgrind")
        return {"OCL_ICD_VENDORS": OCLGRIND, "OCLGRIND_CHECK_API": "1", "OCLGRIND_DATA_RACES": "1"}
    return {"OCL_ICD_VENDORS": find_intel()}


def caches(name):
    """Of drivers and of Tassello."""
    folder = BUILDS / "caches" / name
    (folder / "pocl").mkdir(parents=True, exist_ok=True)
    return {"XDG_CACHE_HOME": str(folder), "POCL_CACHE_DIR": str(folder / "pocl")}


def on_driver(row, native, name, cases, operations=None):
    env = {**driver_env(name), **caches(name)}
    log = BUILDS / f"{row.folder}.log"
    if name == "oclgrind":
        log.unlink(missing_ok=True)
        env["OCLGRIND_LOG"] = str(log)
    found = verify([native], env, "--device", "intel-cpu" if name == "intel" else name, "--cases", str(cases))
    row.notes.append("{} cases, {} wrong".format(*found))
    if name == "oclgrind" and log.exists() and log.read_text().strip():
        raise Failed(f"Oclgrind reports: {log.read_text().splitlines()[0]}; see {log}")


def with_method(row, native, method, threads):
    env = {**driver_env("pocl"), **caches(f"pocl-{method}"), "POCL_WORK_GROUP_METHOD": method,
           "POCL_MAX_PTHREAD_COUNT": str(threads)}
    found = verify([native], env, "--device", "pocl")
    row.notes.append("{} cases, {} wrong".format(*found))


def for_chips(_row, native):
    """Compilers for GPUs that are not here. What it says in place of the digests is the count, and what was skipped."""
    need_command("clang-15", "clang-15 libclc-15")
    text = run([sys.executable, ROOT / "tests" / "lint_gpu.py", Path(native).resolve().parents[1], "--all"])
    return "; ".join(re.findall(r"^(?:skipped, .*|not compared, .*|\d+ sources .*|kernels for GPUs.*)", text, re.M))


def rows(native):
    release = ("-Dbuildtype=release", *LEAN, "-Donnx=disabled")
    for level in "0123":
        for compiler in ("gcc", "clang"):
            yield Row(f"{compiler} -O{level}", with_compiler, compiler, compiler,
                      [*release, f"-Doptimization={level}"])
    yield Row("gcc without fma", without_fma, [*release, "-Doptimization=3"])
    yield Row("gcc x86-64-v4", with_v4, release)
    yield Row("musl", with_musl)
    for name, host in (("arm64", "aarch64-linux-gnu"), ("riscv64", "riscv64-linux-gnu"), ("s390x", "s390x-linux-gnu")):
        yield Row(name, on_processor, host, native)
    for method in ("loopvec", "loops", "cbs"):
        for threads in (1, 2):
            yield Row(f"pocl {method} {threads} threads", with_method, native, method, threads)
    for name, cases in (("pocl", 125), ("intel", 125), ("rusticl", 20), ("oclgrind", 5)):
        yield Row(f"driver {name}", on_driver, native, name, cases)
    yield Row("chips", for_chips, native)


def report(row):
    begin = time.monotonic()
    word, text = "ok", ""
    try:
        text = row.function(row, *row.arguments) or " ".join([digest[:16] for digest in DIGESTS])
    except Missing as missing:
        word, text = "skipped", str(missing)
    except Failed as failure:
        word, text = "FAILED", str(failure)
    print(f"{word:8} {row.name:24} {time.monotonic() - begin:7.1f} s  {'; '.join([text, *row.notes])}", flush=True)
    return word


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        return 2
    native, words = Path(sys.argv[1]).resolve(), sys.argv[2:]
    BUILDS.mkdir(exist_ok=True)
    chosen = [row for row in rows(native) if not words or any(word in row.name for word in words)]
    results = [report(row) for row in chosen]
    counts = [results.count(word) for word in ("ok", "FAILED", "skipped")]
    print("{} passed, {} failed, {} skipped".format(*counts))
    return 1 if counts[1] or not counts[0] else 0


if __name__ == "__main__":
    sys.exit(main())
