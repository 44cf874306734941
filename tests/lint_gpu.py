#!/usr/bin/env python3
"""What kernels for GPUs cost on chips that are not here, by their vendors' compilers (chip_compilers.py).

    lint_gpu.py [BUILD] [--all] [--write]

No kernel keeps anything in private memory, where a spilled register or an indexed array goes, or has more than 64 KiB
of local memory. And none costs more than tests/chips.md says, where its registers, local memory, occupancy and, for
blocks of sums, what the loop of products costs stand for each chip: at most 8 registers or 1 KiB more, no lower
occupancy, no smaller share of fma (by 2 points) and no more waits. Figures are compared if they are of the compiler
that the table names; private memory is looked for with any.

Chips: gfx1030, gfx1100 and sm_75; with --all, all of the table whose compilers are there. --all also compiles for a few
chips as a compiler would that ignores the pragma to unroll. --write writes the table anew, of all chips. BUILD is the
build folder: what was compiled is kept below it. --self-test looks for planted mistakes alone; without it they come
first.

Kernels whose groups are a single work-item are for processors, and let be; so are sets of options for processors. The
sets are those of the lints, as far as one of these chips could be given them, and all blocks of the launchers' tables.
"""

import argparse
import os
import re
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import chip_compilers
from chip_compilers import (
    CHIPS,
    CompileError,
    Figures,
    Results,
    compile_source,
    describe,
    ignore_unrolling,
    read_source,
)
from lint_common import ROOT, SKIP, check_plants, kernels, option_sets, report

TABLE = ROOT / "tests" / "chips.md"
LAUNCHERS = ROOT / "src/device/opencl/launchers"
QUICK = ("gfx1030", "gfx1100", "sm_75")
ROLLED = ("gfx1030", "sm_75")  # also compile what does not unroll
MOST_LOCAL = 65536
MORE_REGISTERS, MORE_LOCAL, LESS_SHARE = 8, 1024, 2  # the slack
PRODUCTS = ("conv_gpu.cl", "dense_gpu.cl")
TREES = {"add_tree", "norm_merge_statistics", "norm_merge_sums"}
MOST_SUMS = 64  # of an item
HEAD = """# What kernels cost on GPUs that were not at hand

Written by `tests/lint_gpu.py BUILD --write`, and held by that lint: it fails if a kernel costs more than 8 registers or
1 KiB of local memory beyond these figures, or has a lower occupancy, or if a row is missing.

Each cell has registers / bytes of local memory / bytes of private memory / occupancy, and for blocks of sums the share
of fma in percent / waits for loads in a round of their loop, as `tests/chip_compilers.py` and `tests/inner_loop.py`
define them: occupancy is waves per SIMD unit on AMD's chips (gfx), warps per multiprocessor on NVIDIA's (sm), and
work-items per execution unit on Intel's, whose compiler does not report the registers that are used. Only products keep
anything in private memory: on pvc, whose compiler gives their threads 32 work-items, and where an item has 64 sums; the
launcher asks the driver, and takes a smaller block. The kernels that add a tree keep the sums there that wait.

Compilers: """


# ---- What is compiled ----


def is_for_gpus(options):
    """Groups of 64 or 256, which all these chips run; wide vectors are for processors."""
    named = dict(re.findall(r"-D (\w+)=(\d+)", options))
    if "GROUP" not in named:
        return not {"VEC", "PANEL"} & set(named)
    return named["GROUP"] in ("64", "256") and named.get("VEC") not in ("8", "16")


def launcher_sets(path):
    """One set for each block in the table of the kernel file's launcher; none if it has no such table."""
    launcher = LAUNCHERS / f"{path.stem}.c"
    text = launcher.read_text() if launcher.exists() else ""
    blocks = re.search(r"static const block blocks\[\] = \{(.*?)\};", text, re.S)
    form = re.search(r'"(-D BLOCK[^"]*)"', (LAUNCHERS / "blocks.c").read_text())
    rows = re.findall(r"\{([\d, ]+)\}", blocks[1]) if blocks else []
    return [form[1].replace("%u", "%s") % tuple(re.findall(r"\d+", row)) for row in rows]


def gpu_sets(path):
    named = [" ".join(options) for options in option_sets(path)]
    return [options.split() for options in dict.fromkeys(named + launcher_sets(path)) if is_for_gpus(options)]


def gpu_sources(paths):
    return [read_source(path, options) for path in paths for options in gpu_sets(path)]


def compile_sources(sources, chips, results):
    """The problems, and the figures by source, kernel and chip."""

    def compile_one(source):
        problems, found = [], {}
        for chip in chips:
            try:
                for kernel, figures in compile_source(chip, source, results).items():
                    found.setdefault((describe(source), kernel), {})[chip.name] = figures
            except CompileError as error:
                problems.append(f"{describe(source)}: {chip.name}: {error}")
        return problems, found

    problems, found = [], {}
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        for some, figures in pool.map(compile_one, sources):
            problems += some
            found.update(figures)
    return problems, found


def may_spill(chip, source, kernel):
    """Intel's compiler of 2022 gives products 32 work-items a thread on pvc, whose registers hold what they need for
    16, and spills the rest. The number can be chosen only by an extension, and skl and tgllp need 8 for some of these
    blocks. Blocks of 64 sums an item are for chips with registers for them: launchers/blocks.c asks. Kernels
    that add a tree index the sums that wait for their neighbor; a step launches few of them, with few work-items."""
    if kernel in TREES:
        return True
    named = {name: int(value) for name, value in re.findall(r"-D (\w+)=(\d+)", source)}
    items = named.get("ITEMS_X", 1) * named.get("ITEMS_Y", 1)
    sums = named.get("BLOCK_ROWS", 0) * named.get("BLOCK_COLS", 0) // items
    return source.split()[0] in PRODUCTS and (chip == "pvc" or sums >= MOST_SUMS)


def check_limits(found):
    for (source, kernel), row in found.items():
        for chip, figures in row.items():
            if figures.scratch and not may_spill(chip, source, kernel):
                yield f"{source}: {chip}: {kernel} keeps {figures.scratch} bytes in private memory"
            if figures.local > MOST_LOCAL:
                yield f"{source}: {chip}: {kernel} has {figures.local} bytes of local memory"


# ---- The table ----


def compiler_versions():
    named = {"clang": chip_compilers.clang_version(), "ptxas": chip_compilers.ptxas_version()}
    return {**named, "ocloc": chip_compilers.ocloc_version()}


def same_compiler(chip, versions):
    """Whether the table's figures for the chip are by the compilers that are here."""
    own = {"compile_amd": ["clang"], "compile_nvidia": ["clang", "ptxas"], "compile_intel": ["ocloc"]}
    here = compiler_versions()
    return all(here[name] and here[name] == versions.get(name) for name in own[chip.compile.__name__])


def write_cell(figures):
    return "/".join(str(n) for n in figures[1:] if n is not None) if figures else "-"


def read_cell(text):
    return Figures(None, *map(int, text.split("/"))) if "/" in text else None


def write_table(found, versions):
    names = [chip.name for chip in CHIPS]
    rows = [[s, k, *(write_cell(row.get(n)) for n in names)] for (s, k), row in found.items()]
    rows = [["source and options", "kernel", *names], *rows]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths)) + " |" for row in rows]
    lines.insert(1, "| " + " | ".join("-" * w for w in widths) + " |")
    return HEAD + ", ".join(f"{n} {v}" for n, v in versions.items() if v) + ".\n\n" + "\n".join(lines) + "\n"


def read_table(text):
    """The rows by source and kernel, of figures by chip; and the compilers' versions."""
    versions = dict(re.findall(r"(\w+) ([\d.]*\d)", text.partition("\nCompilers: ")[2].partition("\n")[0]))
    lines = [[cell.strip() for cell in line[1:-1].split("|")] for line in text.splitlines() if line.startswith("|")]
    if not lines:
        return {}, versions
    names = lines[0][2:]
    return {(s, k): dict(zip(names, map(read_cell, cells))) for s, k, *cells in lines[2:]}, versions


def compare_cell(old, new):
    """What became worse."""
    if new.registers is not None and new.registers > old.registers + MORE_REGISTERS:
        yield f"{new.registers} registers; {old.registers} in the table"
    if new.scratch > old.scratch:
        yield f"{new.scratch} bytes of private memory; {old.scratch} in the table"
    if new.local > old.local + MORE_LOCAL:
        yield f"{new.local} bytes of local memory; {old.local} in the table"
    if new.occupancy is not None and new.occupancy < old.occupancy:
        yield f"occupancy {new.occupancy}; {old.occupancy} in the table"
    if old.share is not None and new.share is not None:
        if new.share < old.share - LESS_SHARE:
            yield f"{new.share} % of a round are fma; {old.share} % in the table"
        if new.waits > old.waits:
            yield f"{new.waits} waits for loads in a round; {old.waits} in the table"


def compare_tables(old, new, chips):
    hint = f"in {TABLE.name}: refresh it by tests/lint_gpu.py BUILD --write"
    for source, kernel in old.keys() - new.keys():
        yield f"{source}: {kernel} is no longer there, but {hint}"
    for (source, kernel), row in new.items():
        if (source, kernel) not in old:
            yield f"{source}: {kernel} is not {hint}"
            continue
        for chip in chips:
            before, now = old[source, kernel].get(chip), row.get(chip)
            if before and now:
                yield from (f"{source}: {chip}: {kernel}: {worse}" for worse in compare_cell(before, now))


def check_table(found, chips):
    old, versions = read_table(TABLE.read_text() if TABLE.exists() else "")
    compared = [chip.name for chip in chips if same_compiler(chip, versions)]
    others = [chip.name for chip in chips if chip.name not in compared]
    if others:
        print(f"not compared, since the table is by other compilers: {', '.join(others)}")
    return list(compare_tables(old, found, compared))


def refresh_table(found):
    """Chips whose compiler is not here keep their figures."""
    old, versions = read_table(TABLE.read_text() if TABLE.exists() else "")
    rows = {key: {**old.get(key, {}), **row} for key, row in found.items()}
    here = {name: version or versions.get(name) for name, version in compiler_versions().items()}
    TABLE.write_text(write_table(rows, here))


# ---- Planted mistakes ----


def plant_kernel(name, body, wrong, group="64"):
    head = f"__kernel __attribute__((reqd_work_group_size({group}, 1, 1))) void k(__global float *x, uint n)\n"
    return name, head + "{\n" + body + "\n}\n", wrong


ARRAY = (
    "float p[600]; for (uint i = 0; i < 600; i++) p[i] = x[i]; "
    "for (uint i = 0; i < n; i++) p[n * i % 600] = p[i]; x[0] = p[n % 600];"
)
SUMS = """float c[300];
_Pragma("unroll") for (int i = 0; i < 300; i++) c[i] = x[i];
for (uint k = 0; k < n; k++) {
    _Pragma("unroll") for (int i = 0; i < 300; i++) c[i] = fma(c[i], x[k], x[k + i]);
}
_Pragma("unroll") for (int i = 0; i < 300; i++) x[i] = c[i];"""
LOCAL = """__local float p[17000];
p[get_local_id(0)] = x[n]; barrier(CLK_LOCAL_MEM_FENCE); x[get_global_id(0)] = p[n % 17000];"""
PLANTS = [
    plant_kernel("an array, AMD", ARRAY, "gfx1030: k keeps"),
    plant_kernel("an array, NVIDIA", ARRAY, "sm_75: k keeps"),
    plant_kernel("more sums than registers", SUMS, "gfx1100: k keeps"),
    plant_kernel("more local memory than there is", LOCAL, "exceeds limit (65536)"),
    plant_kernel("a kernel for processors", ARRAY, None, "1"),
    plant_kernel("nothing private", "x[get_global_id(0)] = n;", None),
    plant_kernel("no OpenCL C", "x = ;", "does not compile"),
]


def row_of(registers, local, occupancy):
    return {("a.cl", "k"): {"gfx1030": Figures(64, registers, local, 0, occupancy)}}


def loop_of(share, waits):
    return {**row_of(40, 1024, 16), ("c.cl", "k"): {"gfx1030": Figures(64, 40, 0, 0, 16, share, waits)}}


SPILLED = "conv_gpu.cl", "conv_forward"
BEFORE = {**loop_of(60, 1), SPILLED: {"pvc": Figures(64, 128, 0, 2048, 9)}}
TABLE_PLANTS = [
    ("9 registers more", row_of(49, 1024, 16), "49 registers; 40 in the table"),
    ("8 registers more", row_of(48, 1024, 16), None),
    ("a lower occupancy", row_of(40, 1024, 15), "occupancy 15; 16 in the table"),
    ("more local memory", row_of(40, 2049, 16), "2049 bytes of local memory"),
    ("more local memory than there is", row_of(40, 65537, 16), "has 65537 bytes of local memory"),
    ("more of what may spill", {SPILLED: {"pvc": Figures(64, 128, 0, 2049, 9)}}, "2049 bytes of"),
    ("private memory", {("a.cl", "k"): {"gfx1030": Figures(64, 40, 0, 4, 16)}}, "k keeps 4 bytes"),
    ("less of all", row_of(10, 0, 16), None),
    ("a smaller share of fma", loop_of(57, 1), "57 % of a round are fma; 60 % in the table"),
    ("a share that is a little smaller", loop_of(58, 1), None),
    ("one more wait", loop_of(60, 2), "2 waits for loads in a round; 1 in the table"),
    ("fewer waits", loop_of(70, 0), None),
    ("no longer there", {}, "k is no longer there"),
    ("new", {**BEFORE, ("b.cl", "k"): {}}, "b.cl: k is not in"),
]
COMPILER_PLANTS = [
    ("a compiler that hangs", ["sleep", "9"], "sleep hangs"),
    ("a compiler that crashes", ["sh", "-c", "kill -SEGV $$"], "sh crashes"),
    ("a compiler that fails", ["sh", "-c", "echo error: x; exit 1"], "does not compile"),
    ("a compiler that is done", ["true"], None),
]


def find_by_compilers(text, chips):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plant.cl"
        path.write_text(text)
        problems, found = compile_sources(gpu_sources([path]), chips, Results(None))
        return problems + list(check_limits(found))


def find_by_table(new):
    text = write_table(BEFORE, {"clang": "15.0.6"})
    old, versions = read_table(text)
    new = {**{key: BEFORE[key] for key in (SPILLED, ("c.cl", "k"))}, **new}
    problems = [*check_limits(new), *compare_tables(old, new, ["gfx1030", "pvc"])]
    return ["versions"] * (versions != {"clang": "15.0.6"}) + problems


def find_by_command(command):
    try:
        chip_compilers.run(command, "/", seconds=0.3)
    except CompileError as error:
        return [str(error)]
    return []


def self_test(chips):
    missed = check_plants(PLANTS, lambda text: find_by_compilers(text, chips))
    return missed + check_plants(TABLE_PLANTS, find_by_table) + check_plants(COMPILER_PLANTS, find_by_command)


# ---- All ----


def report_unrolling(sources, chips, results):
    """Kernels that would keep sums in private memory if the pragma were ignored: they depend on it."""
    bare = [ignore_unrolling(source) for source in sources]
    problems, found = compile_sources([b for b, s in zip(bare, sources) if b != s], chips, results)
    depend = list(check_limits(found))
    print(f"were the pragma to unroll ignored: of {len(found)} kernels {len(depend)} would use private memory")
    for line in depend:
        print(f"    {line}")
    return problems


def count_work(sources, chips, found):
    cells = sum(len(row) for row in found.values())
    spilled = sum(1 for row in found.values() for figures in row.values() if figures.scratch)
    print(
        f"{len(sources)} sources and sets of options on {len(chips)} chips; {len(found)} kernels, {cells} rows,"
        f" {spilled} with private memory"
    )


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", nargs="?", help="keep what was compiled below this folder")
    parser.add_argument("--all", action="store_true", help="all chips whose compilers are here")
    parser.add_argument("--write", action="store_true", help="write the table anew; implies --all")
    parser.add_argument("--self-test", action="store_true", help="look for planted mistakes alone")
    return parser.parse_args()


def main():
    arguments = read_arguments()
    if not chip_compilers.clang_version():
        print(f"skipped: no {chip_compilers.CLANG} with libclc-15")
        return SKIP
    quick = [chip for chip in CHIPS if chip.name in QUICK]
    everything = arguments.all or arguments.write
    chips = [chip for chip in CHIPS if chip.version() or chip.name in QUICK] if everything else quick
    problems = self_test(quick)
    if arguments.self_test:
        return report(problems, "self-test of lint_gpu")
    if everything and len(chips) < len(CHIPS):
        print(f"skipped, without a compiler: {', '.join(chip.name for chip in CHIPS if chip not in chips)}")
    results = Results(Path(arguments.build) / "chips-cache" if arguments.build else None)
    sources = gpu_sources(kernels())
    failed, found = compile_sources(sources, chips, results)
    problems += failed + list(check_limits(found))
    if everything:
        count_work(sources, chips, found)
        problems += report_unrolling(sources, [chip for chip in chips if chip.name in ROLLED], results)
    if arguments.write:
        refresh_table(found)
    return report(problems + check_table(found, chips), "kernels for GPUs")


if __name__ == "__main__":
    sys.exit(main())
