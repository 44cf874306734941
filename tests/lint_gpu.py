#!/usr/bin/env python3
"""No kernel that GPUs run keeps anything in private memory: no register is spilled there, no array is indexed there.

Compiles kernels for chips of vendors whose devices are not here, by clang 15 and its libclc, and reads what the
assembler is told. Kernels whose groups are a single work-item are for processors, and let be; so are sets of options
that make groups so. A file's further sets, for this lint alone, are in lines `// lint gpu: -D ...`. --self-test looks
for planted mistakes alone; without it they come first.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lint_common import ROOT, SKIP, check_plants, explain_failure, kernels, option_sets, report

CLANG = "clang-15"
LIBRARIES = Path("/usr/lib/clc")


def read_amd(text):
    """Of each kernel its name, its group, and its bytes of private memory, from the notes at the end."""
    for note in re.split(r"\n  - (?=\.)", text.partition("amdhsa.kernels:")[2])[1:]:
        group = re.search(r"\.reqd_workgroup_size:((?:\n +- \d+)+)", note)
        yield (
            re.search(r"^    \.name: +(\S+)", note, re.M)[1],
            group[1].split()[1::2] if group else [],
            int(re.search(r"\.private_segment_fixed_size: (\d+)", note)[1]),
        )


def read_nvidia(text):
    """The same, but for the group, which is not in PTX."""
    for entry in re.split(r"^(?:\.visible )?\.entry ", text, flags=re.M)[1:]:
        depot = re.search(r"__local_depot\d+\[(\d+)\]", entry)
        yield re.match(r"\w+", entry)[0], [], int(depot[1]) if depot else 0


AMD = "amdgcn-amd-amdhsa", "amdgcn--amdhsa.bc", read_amd
NVIDIA = "nvptx64-nvidia-nvcl", "nvptx64--nvidiacl.bc", read_nvidia
CHIPS = [
    ("gfx1030", AMD, ["-mcpu=gfx1030"]),
    ("gfx1100", AMD, ["-mcpu=gfx1100"]),
    (
        "sm_75",
        NVIDIA,
        ["-Xclang", "-target-cpu", "-Xclang", "sm_75", "-Xclang", "-target-feature", "-Xclang", "+ptx72"],
    ),
]


def is_for_gpus(options):
    named = dict(re.findall(r"-D (\w+)=(\d+)", options))
    return named["GROUP"] != "1" if "GROUP" in named else not {"VEC", "PANEL"} & set(named)


def gpu_sets(path):
    more = re.findall(r"^// lint gpu: (.*)$", path.read_text(), re.M)
    sets = [" ".join(options) for options in option_sets(path)]
    return [options.split() for options in [*sets, *more] if is_for_gpus(options)]


def compile_for(chip, path, options):
    """The problem that keeps it from being compiled, or None; and what read() says of its kernels."""
    name, (target, library, read), arguments = chip
    command = [
        CLANG,
        "-x",
        "cl",
        "-cl-std=CL1.2",
        "-O3",
        "-Xclang",
        "-finclude-default-header",
        "-nogpulib",
        "-target",
        target,
        *arguments,
        "-Xclang",
        "-mlink-builtin-bitcode",
        "-Xclang",
        str(LIBRARIES / library),
        f"-I{ROOT / 'cl'}",
        *options,
        "-S",
        "-o",
        "-",
        str(path),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return explain_failure(path, options, done), []
    found = list(read(done.stdout))
    return (None if found else f"{path.name} {' '.join(options)}: {name}: no kernel in what clang made of it"), found


def check_set(path, options):
    problems, single = [], set()
    for chip in CHIPS:  # AMD's first, which tell of groups
        problem, found = compile_for(chip, path, options)
        problems += [problem] if problem else []
        single |= {kernel for kernel, group, _size in found if group == ["1", "1", "1"]}
        problems += [
            f"{path.name} {' '.join(options)}: {chip[0]}: {kernel} keeps {size} bytes in private memory"
            for kernel, _group, size in found
            if size and kernel not in single
        ]
    return problems


def check_files(paths):
    work = [(path, options) for path in paths for options in gpu_sets(path)]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        return [problem for problems in pool.map(lambda one: check_set(*one), work) for problem in problems]


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
PLANTS = [
    plant_kernel("an array, AMD", ARRAY, "gfx1030: k keeps"),
    plant_kernel("an array, NVIDIA", ARRAY, "sm_75: k keeps"),
    plant_kernel("more sums than registers", SUMS, "gfx1100: k keeps"),
    plant_kernel("a kernel for processors", ARRAY, None, "1"),
    plant_kernel("nothing private", "x[get_global_id(0)] = n;", None),
    plant_kernel("no OpenCL C", "x = ;", "does not compile"),
]


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plant.cl"

        def find(text):
            path.write_text(text)
            return check_files([path])

        return check_plants(PLANTS, find)


def main():
    missing = [str(LIBRARIES / library) for _, library, _ in (AMD, NVIDIA) if not (LIBRARIES / library).exists()]
    if not shutil.which(CLANG) or missing:
        print(f"skipped: no {missing[0] + ', of libclc-15' if missing else CLANG}")
        return SKIP
    problems = self_test()
    if "--self-test" in sys.argv[1:]:
        return report(problems, "self-test of lint_gpu")
    return report(problems + check_files(kernels()), "kernels for GPUs that use private memory")


if __name__ == "__main__":
    sys.exit(main())
