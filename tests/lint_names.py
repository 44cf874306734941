#!/usr/bin/env python3
"""Names that the linker sees, in the library's objects below a build folder.

    lint_names.py BUILD_FOLDER

- An external name begins with its file's subject: the file's name or its first word, its folder's name, the singular of
  either, or one of the words that SUBJECTS gives. Public names begin with tas_.
- No name is static in one file and external in another.

--self-test looks for planted mistakes alone; without it they come first.
"""

import re
import subprocess
import sys
from pathlib import Path

from lint_common import check_plants, report

# Words that the names of a file or a folder may begin with beside the file's own.
SUBJECTS = {
    "base/context": ("fail", "note", "entry", "callback", "error", "now"),  # on every page: short words read best
    "device/no_opencl": ("discover", "open", "benchmark", "clblast"),  # of opencl/, whose place it takes
    "device/opencl": ("cl",),
    "network/layers": ("layer",),
    "ops": ("op", "row"),
    "stats/distributions": ("student", "fisher", "normal"),
}
EXTERNAL, STATIC = "TDRB", "tdrb"
SYMBOL = re.compile(r"^[0-9a-f]+ (\w) ([A-Za-z_]\w*)((?:\.\w+)*)$")


def source_of(line):
    """'lab/sweep/state' from nm's heading of an archive's member; None for any other line, or for a generated file."""
    name = re.match(r"^(?:.*/)?(src|ops)_(.+)\.c\.o:$", line)
    if not name:
        return None
    path = name[2] if name[1] == "src" else "ops_" + name[2]
    return path


def find_source(flat, sources):
    """The path of src/ that Meson has flattened: 'lab_sweep_state' is lab/sweep/state."""
    return sources.get(flat, flat)


def read_symbols(text, sources):
    """(source, kind, name) of each symbol that nm printed."""
    source = None
    for line in text.splitlines():
        if line.endswith(".o:"):
            flat = source_of(line)
            source = find_source(flat, sources) if flat else None
        elif source and (m := SYMBOL.match(line)):
            yield source, m[1], m[2]


def subjects_of(source):
    *folders, stem = source.split("/")
    words = [stem, stem.split("_")[0], stem.rstrip("s")] + [folders[-1], folders[-1].rstrip("s")]
    for place, more in SUBJECTS.items():
        if source == place or source.startswith(place + "/"):
            words += more
    return words


def check_symbols(symbols):
    external, static, problems = {}, {}, []
    for source, kind, name in symbols:
        if kind in EXTERNAL:
            external[name] = source
            if not name.startswith("tas_") and not any(
                name == word or name.startswith(word + "_") for word in subjects_of(source)
            ):
                problems.append(f"src/{source}.c: {name} does not begin with the file's subject")
        elif kind in STATIC:
            static.setdefault(name, set()).add(source)
    for name, source in external.items():
        for other in sorted(static.get(name, set()) - {source}):
            problems.append(f"src/{other}.c: {name} is static here and external in src/{source}.c")
    return problems


PLANTS = [
    ("a name of its own", "src_lab_sweep_state.c.o:\n0 T load\n", "does not begin"),
    ("the file's", "src_lab_sweep_state.c.o:\n0 T state_load\n", None),
    ("the singular", "src_train_gradients.c.o:\n0 T gradient_open\n", None),
    ("the first word", "src_base_file_writer.c.o:\n0 T file_begin\n", None),
    ("the folder's name", "src_train_gradients.c.o:\n0 T train_open\n", None),
    ("a public one", "src_lab_sweep_state.c.o:\n0 T tas_load\n", None),
    ("a static one", "src_lab_sweep_state.c.o:\n0 t load.constprop.0\n", None),
    ("the folder's", "src_device_opencl_events.c.o:\n0 T cl_keep\n", None),
    ("another folder's", "src_base_file.c.o:\n0 T cl_keep\n", "does not begin"),
    ("both", "src_base_file.c.o:\n0 t gather\nops_gather.c.o:\n0 T gather\n", "static here and external"),
]


def main():
    root = Path(__file__).resolve().parent.parent / "src"
    sources = {
        str(p.relative_to(root).with_suffix("")).replace("/", "_"): str(p.relative_to(root).with_suffix(""))
        for p in root.rglob("*.c")
    }
    planted = {
        "lab_sweep_state": "lab/sweep/state",
        "train_gradients": "train/gradients",
        "device_opencl_events": "device/opencl/events",
        "base_file": "base/file",
        "base_file_writer": "base/file_writer",
        "ops_gather": "ops/gather",
    }
    problems = check_plants(PLANTS, lambda text: check_symbols(read_symbols(text, planted)))
    if "--self-test" in sys.argv[1:]:
        return report(problems, "self-test of lint_names")
    libraries = [p for folder in sys.argv[1:] for p in sorted(Path(folder).rglob("*.a"))]
    symbols = []
    for library in libraries:
        text = subprocess.run(["nm", "--defined-only", str(library)], capture_output=True, text=True, check=True).stdout
        symbols += read_symbols(text, sources)
    if len({source for source, _kind, _name in symbols}) < len(sources) // 2:
        folders = " ".join(sys.argv[1:]) or "(no folder)"
        problems.append(f"objects of {len(sources)} sources were expected below {folders}")
    return report(problems + check_symbols(symbols), f"names in {len(libraries)} libraries")


if __name__ == "__main__":
    sys.exit(main())
