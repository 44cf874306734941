#!/usr/bin/env python3
"""A build without OpenCL links: src/device/no_opencl.c has all that others use of src/device/opencl/.

    lint_no_opencl.py BUILD_FOLDER

Looks with nm at the library's objects of a build with OpenCL. --self-test looks for planted mistakes alone; without it
they come first.
"""

import re
import subprocess
import sys
from pathlib import Path

from lint_common import ROOT, check_plants, report

MEMBER = re.compile(r"^(?:.*/)?([\w.-]+\.o):$")
SYMBOL = re.compile(r"^(?:[0-9a-f]+)? +([TDRBU]) (\w+)$")


def find_missing(symbols, stub):
    """symbols: what nm printed of an archive; stub: the text of no_opencl.c."""
    inside, used, within = set(), set(), False
    for line in symbols.splitlines():
        if member := MEMBER.match(line):
            within = member[1].startswith("src_device_opencl_")
        elif symbol := SYMBOL.match(line):
            kind, name = symbol.groups()
            if within and kind != "U":
                inside.add(name)
            elif not within and kind == "U":
                used.add(name)
    needed = {name for name in inside if name in used or name.startswith("tas_")}
    defined = set(re.findall(r"^\w[\w *]*?(\w+)\(", stub, re.M))
    return [f"src/device/no_opencl.c: no {name}, which is used outside src/device/opencl/" for name in needed - defined]


OPEN = "src_device_opencl_open.c.o:\n0000 T open_opencl\n"
USE = "x/src_verify_open_device.c.o:\n                 U open_opencl\n"
PLANTS = [
    ("used and missing", OPEN + USE, "no open_opencl"),
    ("used within alone", OPEN + "src_device_opencl_a.c.o:\n                 U open_opencl\n", None),
    ("a public one", "src_device_opencl_a.c.o:\n0000 T tas_open\n", "no tas_open"),
    ("it is there", OPEN.replace("open_opencl", "there") + USE.replace("open_opencl", "there"), None),
]


def main():
    problems = check_plants(PLANTS, lambda text: find_missing(text, "const char *there(int a)\n{\n}\n"))
    if "--self-test" not in sys.argv[1:]:
        library = Path(sys.argv[1]) / "libtassello-internal.a"
        symbols = subprocess.run(["nm", str(library)], capture_output=True, text=True, check=True).stdout
        if "src_device_opencl_" not in symbols:
            sys.exit(f"{library}: a build with OpenCL was expected")
        problems += find_missing(symbols, (ROOT / "src" / "device" / "no_opencl.c").read_text())
    return report(problems, "names without OpenCL")


if __name__ == "__main__":
    sys.exit(main())
