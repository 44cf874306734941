"""Compilers for chips that are not here, and what they report of each kernel.

AMD's chips by clang 15 and its libclc, NVIDIA's by the same and, if there is one, by ptxas, Intel's by ocloc, if there
is one. Each compiles the text that the library hands to drivers. A compiler that hangs or crashes has failed.

Figures of a kernel:

- registers: of a work-item, in AMD's case vector registers; Intel's compiler reports only how many a thread may use
- local: bytes of local memory of a work-group
- scratch: bytes of private memory, by spilled registers or indexed arrays, of a work-item (Intel: of a thread)
- share, waits: of the inner loop of products, if there is one: inner_loop.py
- occupancy: how much a unit of the chip keeps in flight, as far as registers, local memory and groups allow
    - AMD: waves of a SIMD unit, as clang reports them
    - NVIDIA: warps of a multiprocessor, by the rules of CUDA's occupancy calculator (cuda_occupancy.h) and the table
      "Technical Specifications per Compute Capability" of the CUDA C++ Programming Guide
    - Intel: work-items of an execution unit, by "Thread Mapping and GPU Occupancy" of the oneAPI GPU Optimization Guide
"""

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import namedtuple
from functools import cache
from pathlib import Path

import inner_loop
from lint_common import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import embed  # noqa: E402

CLANG = "clang-15"
LIBRARIES = Path("/usr/lib/clc")
SECONDS = 600  # after which a compiler hangs

Source = namedtuple("Source", "name options text")
Figures = namedtuple("Figures", "group registers local scratch occupancy share waits", defaults=(None, None))
Chip = namedtuple("Chip", "name compile version facts")


class CompileError(Exception):
    pass


def read_source(path, options):
    return Source(path.name, tuple(options), "\n".join(embed.paste(path.resolve(), [])) + "\n")


def ignore_unrolling(source):
    """The source as a compiler sees it that ignores the pragma."""
    return source._replace(text=re.sub(r'#pragma unroll.*|_Pragma\("unroll"\)', "", source.text))


@cache
def bare_text(text):
    """Without comments, line numbers and layout: what decides how it is compiled."""
    return " ".join(re.sub(r"//[^\n]*|/\*.*?\*/|^#line[^\n]*", " ", text, flags=re.M | re.S).split())


def describe(source):
    return f"{source.name} {' '.join(source.options)}".strip()


def run(command, folder, seconds=SECONDS):
    """What the command prints."""
    name = Path(command[0]).name
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", cwd=folder, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise CompileError(f"{name} hangs: no end after {seconds} s") from None
    if done.returncode < 0 or done.returncode in (134, 139):
        raise CompileError(f"{name} crashes: status {done.returncode}")
    if done.returncode:
        lines = (done.stdout + done.stderr).splitlines()
        errors = [line for line in lines if re.search("error|fatal", line)]
        raise CompileError(f"{name}: does not compile:\n" + "\n".join(errors[:6] or ["status " + str(done.returncode)]))
    return done.stdout + done.stderr


class Results:
    """What was compiled before, below a folder: one file for each compiler, source and set of options."""

    def __init__(self, folder):
        self.folder = folder
        if folder:
            folder.mkdir(parents=True, exist_ok=True)

    def get(self, key, make):
        if not self.folder:
            return make()
        path = self.folder / (hashlib.sha256("\0".join(key).encode()).hexdigest() + ".json")
        try:
            return json.loads(path.read_text())
        except (OSError, ValueError):
            made = make()
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(made))
        fresh.replace(path)
        return made


def use_clang(source, target, library, arguments, folder):
    (folder / "kernel.cl").write_text(source.text)
    command = [CLANG, "-x", "cl", "-cl-std=CL1.2", "-O3", "-Xclang", "-finclude-default-header", "-nogpulib"]
    command += ["-Wno-linker-warnings", "-target", target, *arguments, *source.options]
    command += ["-Xclang", "-mlink-builtin-bitcode", "-Xclang", str(LIBRARIES / library)]
    run([*command, "-S", "-o", "kernel.s", "kernel.cl"], folder)
    return (folder / "kernel.s").read_text()


def product(numbers):
    result = 1
    for number in numbers:
        result *= int(number)
    return result


def measure_loop(source, body, read):
    """(share, waits) of kernels of blocks of sums."""
    named = {name: int(value) for name, value in re.findall(r"-D (\w+)=(\d+)", " ".join(source.options))}
    if "BLOCK_ROWS" not in named:
        return None
    products = named["BLOCK_ROWS"] * named["BLOCK_COLS"] * named["STEP"]
    return inner_loop.measure(body, read, products // (named["ITEMS_X"] * named["ITEMS_Y"]))


# ---- AMD ----


def compile_amd(chip, source, folder, _results):
    text = use_clang(source, "amdgcn-amd-amdhsa", "amdgcn--amdhsa.bc", [f"-mcpu={chip.name}"], folder)
    found = {}
    for note in re.split(r"\n  - (?=\.)", text.partition("amdhsa.kernels:")[2])[1:]:

        def number(field, note=note):
            return int(re.search(rf"\.{field}: +(\d+)", note)[1])

        name = re.search(r"^    \.name: +(\S+)", note, re.M)[1]
        group = re.search(r"\.reqd_workgroup_size:((?:\n +- \d+)+)", note)
        body = text.partition(f"; @{name}\n")[2]
        loop = measure_loop(source, body.partition("s_endpgm")[0], inner_loop.read_amd)
        found[name] = Figures(
            product(re.findall(r"\d+", group[1])) if group else 0,
            number("vgpr_count"),
            number("group_segment_fixed_size"),
            number("private_segment_fixed_size"),
            int(re.search(r"; Occupancy: (\d+)", body)[1]),
            *(loop or ()),
        )
    return found


# ---- NVIDIA ----

Multiprocessor = namedtuple("Multiprocessor", "warps groups local reserved unit")


@cache
def find_ptxas():
    """By PATH, where CUDA puts it, or of the package nvidia-cuda-nvcc."""
    spec = importlib.util.find_spec("nvidia")
    packages = [Path(p) for p in (spec.submodule_search_locations if spec else [])]
    places = [Path("/usr/local/cuda/bin/ptxas"), *(found for p in packages for found in sorted(p.glob("*/bin/ptxas")))]
    return shutil.which("ptxas") or next((str(p) for p in places if p.exists()), None)


def count_warps(chip, group, registers, local):
    """Warps that a multiprocessor keeps: each has registers in units of 256 and they are given out by fours."""
    facts, warps = chip.facts, -(-group // 32)
    fit = 65536 // (-(-max(registers, 1) * 32 // 256) * 256) // 4 * 4
    own = -(-(local + facts.reserved) // facts.unit) * facts.unit
    groups = min(fit // warps, facts.warps // warps, facts.groups, facts.local // own if own else facts.groups)
    return groups * warps


def read_ptx(text):
    """Without ptxas: local and private memory alone."""
    for entry in re.split(r"^(?:\.visible )?\.entry ", text, flags=re.M)[1:]:
        depot = re.search(r"__local_depot\d+\[(\d+)\]", entry)
        local = sum(int(size) for size in re.findall(r"\.shared \.align \d+ \.b8 [\w$]+\[(\d+)\]", entry))
        yield re.match(r"\w+", entry)[0], None, local, int(depot[1]) if depot else 0


def read_ptxas(text):
    for entry in re.split(r"Compiling entry function ", text)[1:]:
        stack, *spills = (int(re.search(rf"(\d+) bytes {of}", entry)[1]) for of in ("stack", "spill st", "spill lo"))
        local = re.search(r"(\d+) bytes smem", entry)
        registers = int(re.search(r"Used (\d+) registers", entry)[1])
        yield re.match(r"'(\w+)'", entry)[1], registers, int(local[1]) if local else 0, stack + max(spills)


def compile_nvidia(chip, source, folder, results):
    arguments = ["-Xclang", "-target-cpu", "-Xclang", "sm_75", "-Xclang", "-target-feature", "-Xclang", "+ptx72"]
    arguments += ["-D", "get_global_offset(d)=0"]  # this libclc has none

    def make():
        return use_clang(source, "nvptx64-nvidia-nvcl", "nvptx64--nvidiacl.bc", arguments, folder)

    ptx = results.get(("ptx", str(clang_version()), *arguments, *source.options, bare_text(source.text)), make)
    groups = {k: f.group for k, f in compile_all(GROUPS_BY, source, results).items()}
    loops = {
        re.match(r"\w+", entry)[0]: measure_loop(source, entry, inner_loop.read_ptx) or ()
        for entry in re.split(r"^(?:\.visible )?\.entry ", ptx, flags=re.M)[1:]
    }
    if not find_ptxas():
        return {k: Figures(groups[k], r, local, s, None, *loops[k]) for k, r, local, s in read_ptx(ptx)}
    (folder / "kernel.s").write_text(ptx)
    text = run([find_ptxas(), "-v", f"-arch={chip.name}", "-o", "kernel.cubin", "kernel.s"], folder)
    return {
        k: Figures(groups[k], r, local, s, count_warps(chip, groups[k], r, local), *loops[k])
        for k, r, local, s in read_ptxas(text)
    }


# ---- Intel ----

Slice = namedtuple("Slice", "units threads local groups")  # a (dual) subslice, or an Xe core


def count_items(chip, group, width, registers, local, barriers):
    """Work-items that an execution unit keeps, in whole groups. Local memory comes in powers of two, and only so many
    groups can have a barrier."""
    facts = chip.facts
    threads, slots = -(-group // width), facts.units * facts.threads * 128 // max(registers, 128)
    own = max(1024, 1 << (local - 1).bit_length()) if local else 0
    groups = min(slots // threads, facts.groups if barriers else slots, facts.local // own if own else slots)
    return min(groups * group // facts.units, facts.threads * width)


def compile_intel(chip, source, folder, _results):
    (folder / "kernel.cl").write_text(source.text)
    options = " ".join(["-cl-std=CL1.2", *source.options])
    command = ["ocloc", "compile", "-file", "kernel.cl", "-device", chip.name, "-options", options]
    run([*command, "--format", "zebin", "-output_no_suffix", "-output", "kernel", "-out_dir", "."], folder)
    binary = (folder / "kernel").read_bytes()
    notes = re.search(rb"---\nversion:.*?\n\.\.\.\n", binary, re.S)
    found = {}
    text = notes[0].decode().partition("\nkernels:")[2].partition("\nkernels_misc_info:")[0] if notes else ""
    for note in re.split(r"\n  - name: +", text)[1:]:

        def number(field, note=note):
            value = re.search(rf"^      {field}: +(\d+)", note, re.M)
            return int(value[1]) if value else 0

        group = re.search(r"required_work_group_size: \[ (\d+), (\d+), (\d+) \]", note)
        items, registers, local = product(group.groups()) if group else 0, number("grf_count"), number("slm_size")
        memory = re.search(r"^    per_thread_memory_buffers:(.*?)(?=^    \w|\Z)", note, re.M | re.S)
        scratch = sum(int(size) for size in re.findall(r"\bsize: +(\d+)", memory[1])) if memory else 0
        width, barriers = number("simd_size"), number("barrier_count")
        occupancy = count_items(chip, items or 1, width, registers, local, barriers)
        found[re.match(r"\w+", note)[0]] = Figures(items, registers, local, scratch, occupancy)
    return found


# ---- All ----


@cache
def clang_version():
    libraries = all((LIBRARIES / f).exists() for f in ("amdgcn--amdhsa.bc", "nvptx64--nvidiacl.bc"))
    if not shutil.which(CLANG) or not libraries:
        return None
    return re.search(r"version (\S+)", run([CLANG, "--version"], "/"))[1]


@cache
def ptxas_version():
    text = run([find_ptxas(), "--version"], "/") if find_ptxas() else ""
    found = re.search(r"\bV([\d.]+)", text)
    return found[1] if found else None


@cache
def ocloc_version():
    if not shutil.which("ocloc"):
        return None
    with tempfile.TemporaryDirectory() as folder:
        run(["ocloc", "query", "OCL_DRIVER_VERSION"], folder)
        return "".join(p.read_text().strip("\0\n ") for p in Path(folder).iterdir())


CHIPS = [
    *(Chip(name, compile_amd, clang_version, None) for name in ("gfx906", "gfx90a", "gfx1030", "gfx1100")),
    Chip("sm_75", compile_nvidia, ptxas_version, Multiprocessor(32, 16, 64 << 10, 0, 256)),
    Chip("sm_86", compile_nvidia, ptxas_version, Multiprocessor(48, 16, 100 << 10, 1024, 128)),
    Chip("sm_90", compile_nvidia, ptxas_version, Multiprocessor(64, 32, 228 << 10, 1024, 128)),
    Chip("skl", compile_intel, ocloc_version, Slice(8, 7, 64 << 10, 16)),
    Chip("tgllp", compile_intel, ocloc_version, Slice(16, 7, 128 << 10, 16)),
    Chip("acm-g10", compile_intel, ocloc_version, Slice(16, 8, 128 << 10, 32)),
    Chip("pvc", compile_intel, ocloc_version, Slice(8, 8, 128 << 10, 32)),
]
GROUPS_BY = next(chip for chip in CHIPS if chip.name == "gfx1030")  # PTX does not tell of groups


def compile_source(chip, source, results):
    """The figures of its kernels. Those whose group is a single work-item are for processors, and left out."""
    return {k: f for k, f in compile_all(chip, source, results).items() if f.group != 1}


def compile_all(chip, source, results):
    def make():
        with tempfile.TemporaryDirectory() as folder:
            return chip.compile(chip, source, Path(folder), results)

    key = ["loops", chip.name, str(clang_version()), str(chip.version()), *map(str, chip.facts or ()), *source.options]
    made = results.get((*key, bare_text(source.text)), make)
    if not made:
        raise CompileError("no kernel in what it made of it")
    return {k: Figures(*f) for k, f in made.items()}
