#!/usr/bin/env python3
"""Writes text files into C, so that the library carries its kernels and its example networks.

    embed.py [--cover] KERNELS.c NETWORKS.c FILE.cl ... FILE.net ...

KERNELS.c has cl_sources[] of src/device/opencl/sources.h, one row a .cl file with its #include "x.h" pasted in, and
cl_points[], which is empty without --cover (instrument.py); NETWORKS.c has shipped_networks[], one row a .net file.

The same files give the same output, in whatever order they are named. Texts become arrays of numbers, since C compilers
need not take string literals of more than 4095 characters.
"""

import argparse
import json
import re
import sys
from pathlib import Path

from instrument import instrument

INCLUDE = re.compile(r'\s*#\s*include\s*"([^"]+)"')


def fail(text):
    sys.exit(f"embed.py: {text}")


def read(path):
    try:
        text = path.read_bytes().decode("utf-8").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{path}: {error}")
    if "\0" in text:
        fail(f"{path}: holds a 0 byte")
    return text


def paste(path, seen, name=None):
    """The text of a kernel file, what it includes pasted in once. #line keeps the compilers' messages true."""
    seen.append(path)
    name = name or path.name
    lines = [f'#line 1 "{name}"']
    for number, line in enumerate(read(path).splitlines(), 1):
        if not line.isascii():
            fail(f"{path}:{number}: not ASCII, which some drivers' compilers refuse")
        include = INCLUDE.match(line)
        if not include:
            lines.append(line)
            continue
        inner = (path.parent / include[1]).resolve()
        if inner in seen:
            lines.append("")
            continue
        lines += paste(inner, seen, include[1])
        lines.append(f'#line {number + 1} "{name}"')
    return lines


COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
NAME = re.compile(r"[A-Za-z_]\w*$")
NOT_OWN = re.compile(r"__\w*|reqd_work_group_size|always_inline|overloadable|(float|u?int|u?char|u?long|u?short)\d*$")


def own_names(text):
    """The macros that a kernel file defines; and the names that it gives to functions, types and constants of its own.
    Others may be among them, but for those of the language: src/device/opencl/bundle.h renames all of them alike."""
    text = COMMENT.sub(" ", text).replace("\\\n", " ")
    macros = set(re.findall(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", text, re.M))
    code = re.sub(r"^[ \t]*#.*$", "", text, flags=re.M)
    names, depth, outer = set(), 0, []
    for token in re.findall(r"\w+|[^\w\s]", code):
        depth -= token == "}"
        if depth == 0 or (depth == 1 and token == "{" and outer[-1] != "{"):
            outer.append(token)
        depth += token == "{"
    for first, second in zip(outer, outer[1:]):
        if second in ("(", ";", "=", "["):
            names.add(first)
        if first in ("struct", "enum", "union"):
            names.add(second)
    for body in re.findall(r"\benum\b[^{;]*\{(.*?)\}", code, re.S):
        names.update(constant.split("=")[0].strip() for constant in body.split(","))
    names = {n for n in names - macros if NAME.match(n) and not NOT_OWN.match(n)}
    return " ".join(sorted(names)), " ".join(sorted(macros))


def as_array(identifier, text):
    """static const char identifier[] = {...}; as signed numbers, ending with a 0."""
    numbers = [byte - 256 if byte > 127 else byte for byte in text.encode("utf-8")] + [0]
    rows = [",".join(map(str, numbers[at : at + 40])) for at in range(0, len(numbers), 40)]
    return f"static const char {identifier}[] = {{\n" + ",\n".join(rows) + "};\n"


def identifier(path):
    return "text_" + re.sub(r"[^A-Za-z0-9]", "_", path.stem)


def no_more(_):
    return ""


def names_of_kernels(text):
    return "".join(f', "{names}"' for names in own_names(text))


def write(output, head, begin, texts, more=no_more):
    """One array a text, and the table of them; texts are (path, text). more() adds to the row of a text."""
    names = [identifier(path) for path, _ in texts]
    if len(set(names)) != len(names):
        fail("two files have the same name")
    arrays = [as_array(identifier(path), text) for path, text in texts]
    rows = [f'    {{"{path.stem}", {identifier(path)}{more(text)}}},' for path, text in texts]
    Path(output).write_text("\n".join([head, *arrays, begin, *rows, "    {0},", "};", ""]))


def write_points(output, programs):
    """cl_points[], after the sources; programs are (name, points)."""
    rows = [
        f'    {{"{name}", "{p.file}", {json.dumps(p.text)}, {p.line}, {p.scope}, POINT_{p.kind}}},'
        for name, points in programs
        for p in points
    ]
    with open(output, "a") as stream:
        stream.write("\n".join(["const cl_point cl_points[] = {", *rows, "    {0},", "};", ""]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cover", action="store_true", help="put points into the kernels")
    parser.add_argument("kernels", help="the C file to write with the kernels in it")
    parser.add_argument("networks", help="the C file to write with the networks in it")
    parser.add_argument("files", nargs="*", help=".cl and .net files")
    arguments = parser.parse_args()
    files = sorted((Path(f).resolve() for f in arguments.files), key=lambda f: f.name)
    for path in files:
        if path.suffix not in (".cl", ".net"):
            fail(f"{path}: neither a .cl nor a .net file")

    made = "/* Made by tools/embed.py. */\n"
    kernels = [(f, "\n".join(paste(f, [])) + "\n") for f in files if f.suffix == ".cl"]
    covered = [(f, *(instrument(text) if arguments.cover else (text, []))) for f, text in kernels]
    kernels = [(f, text) for f, text, _ in covered]
    networks = [(f, read(f)) for f in files if f.suffix == ".net"]
    head = made + '#include "device/opencl/sources.h"\n'
    write(arguments.kernels, head, "const cl_source cl_sources[] = {", kernels, names_of_kernels)
    write_points(arguments.kernels, [(f.stem, points) for f, _, points in covered])
    declare = "extern const struct shipped_network {\n    const char *name, *text;\n} shipped_networks[];\n"
    write(arguments.networks, made + declare, "const struct shipped_network shipped_networks[] = {", networks)


if __name__ == "__main__":
    main()
