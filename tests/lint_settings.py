#!/usr/bin/env python3
"""Every field of tas_train_options that decides bits is a setting of a saved run (a ROW in src/train/run_state.c), so
that a run which goes on with another value of it is refused. A new field has to be in one of the two lists.
"""

import re
import sys

from lint_common import ROOT, report

HEADER = ROOT / "include/tassello/model.h"
ROWS = ROOT / "src/train/run_state.c"

# What decides no bit, or is saved in another way.
OTHERS = {
    "size": "of the struct",
    "changes": "the batches so far are saved as the course",
    "change_count": "the same",
    "budget": "changes no result",
    "tile": "changes no result",
    "keep_on_host": "changes no result",
    "audit": "changes no result",
    "audit_step": "changes no result",
    "audit_continues": "changes no result",
    "trace_every": "changes no result",
    "trace_first": "changes no result",
    "trace_values": "changes no result",
    "on_trace": "reports",
    "on_step": "reports",
    "user": "is for on_step",
    "ahead": "says when steps are reported",
}


def fields_of(text):
    body = re.search(r"typedef struct tas_train_options \{\n(.*?)\n\} tas_train_options;", text, re.S)[1]
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    names = []
    for line in body.split(";"):
        names += [re.search(r"(\w+)\s*(?:\[\w+\])?\s*$", part)[1] for part in line.split(",") if part.strip()]
    return names


def problems_of(header, rows):
    fields, settings = fields_of(header), re.findall(r"^    ROW\((\w+),", rows, re.M)
    problems = []
    if not {"batch", "beta1", "beta2", "steps", "seed", "ahead"} <= set(fields) or len(settings) < 20:
        problems.append("include/tassello/model.h, src/train/run_state.c: fields or rows were not found")
    for name in fields:
        if (name in settings) == (name in OTHERS):
            problems.append(f"include/tassello/model.h: tas_train_options.{name}: expected a ROW in "
                            "src/train/run_state.c, or a reason for none in tests/lint_settings.py, and not both")
    problems += [f"tests/lint_settings.py: {name} is no field" for name in OTHERS if name not in fields]
    return problems


def main():
    header, rows = HEADER.read_text(), ROWS.read_text()
    problems = problems_of(header, rows)
    # The check itself: a field more, next to another one too, and a row less.
    for h, r in ((header.replace("float beta1, beta2;", "float beta1, beta2, beta3;"), rows),
                 (header.replace("    float clip;", "    float clip;\n    int other;"), rows),
                 (header, rows.replace("    ROW(clip,", "    /* (clip,"))):
        if len(problems_of(h, r)) != len(problems) + 1:
            problems.append("tests/lint_settings.py: what is planted is not found")
    return report(problems, "settings of a saved run")


if __name__ == "__main__":
    sys.exit(main())
