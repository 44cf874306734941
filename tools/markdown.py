#!/usr/bin/env python3
"""A manual page as Markdown, for doc/.

    markdown.py PAGE > doc/NAME.md

Reads the few requests that tools/manual.c writes. tests/test_docs.py checks that doc/ holds what this prints.
"""

import re
import sys


def words_of(line):
    """The words of a request's line: quotes hold several together."""
    return [a or b for a, b in re.findall(r'"([^"]*)"|(\S+)', line)]


def inline(text):
    text = text.replace("\\(aq", "'").replace("\\(dq", '"').replace("\\-", "-").replace("\\&", "").replace("\\e", "\\")
    code = re.split(r"(\\f[BIR])", text)
    out, font = "", "R"
    for piece in code:
        if re.fullmatch(r"\\f[BIR]", piece):
            font = piece[2]
        elif piece and font == "R":
            out += re.sub(r"([<>|*_\\])", r"\\\1", piece)
        elif piece:
            out += {"B": f"**{piece}**", "I": f"*{piece}*"}[font]
    return out


def request(line, fonts):
    """.B, .I and .BR: words in their fonts."""
    words = words_of(line)
    if fonts == "BR":
        return "".join(inline(f"\\f{'BR'[i % 2]}{word}\\fR") for i, word in enumerate(words))
    return inline(f"\\f{fonts}{' '.join(words)}\\fR")


def convert(page):
    out, depth, item, verbatim = [], 0, None, False

    def emit(text):
        nonlocal item
        pad = "  " * depth
        if item == "tag":  # the line of a list's item
            out.append(f"\n{pad}- {text}  ")
            item = "text"
        else:
            out.append(("  " if item == "text" else "") + pad + text)

    for line in page.splitlines():
        name, _, rest = line.partition(" ")
        if verbatim and name != ".fi":
            out.append("    " + re.sub(r"\\&", "", line.replace("\\-", "-").replace("\\(aq", "'").replace("\\e", "\\")))
        elif name == ".TH":
            words = words_of(rest)
            out.append(f"# {inline(words[0]).lower()}({words[1]})\n")
            out.append("This page is made from the command's own tables, as the manual page is; see tools/markdown.py.")
        elif name in (".SH", ".SS"):
            item, depth = None, 0
            title = " ".join(words_of(inline(rest)))
            out.append(f"\n## {title.capitalize()}\n" if name == ".SH" else f"\n### {title}\n")
        elif name == ".TP":
            item = "tag"
        elif name == ".PP":
            item = None
            out.append("")
        elif name == ".RS":
            depth += 1
        elif name == ".RE":
            depth -= 1
        elif name == ".br":
            out[-1] += "  "
        elif name == ".nf":
            verbatim = True
            out.append("")
        elif name == ".fi":
            verbatim = False
            out.append("")
        elif name in (".B", ".I", ".BR"):
            emit(request(rest, name[1:]))
        elif line.startswith("."):
            sys.exit(f"markdown.py: {name}: a request that is not known here")
        else:
            emit(inline(line))
    text = "\n".join(out)
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as page:
        sys.stdout.write(convert(page.read()))
