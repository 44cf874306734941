#!/usr/bin/env python3
"""doc/devices.md, from the files of doc/devices/: what 'tassello verify --report' has written, one per tested device.

    devices_page.py FOLDER > doc/devices.md

tests/test_docs.py checks that doc/ holds what this prints.
"""

import json
import sys
from pathlib import Path

HEAD = """# Tested devices

This page is made from the files in doc/devices/, each of which `tassello verify --report` has written on a machine with
that device; see tools/devices_page.py. [verify.md](verify.md) describes the statuses and the files, and
[CONTRIBUTING.md](../CONTRIBUTING.md#a-device-of-yours) how to add one. What is not here was not tested.

"""

COLUMNS = ("device", "status", "rows", "cases", "digests", "driver", "tested on", "version")


def cell(text):
    return " ".join(text.split()).replace("|", "\\|").replace("<", "\\<")


def count_rows(rows):
    counts = {}
    for row in rows:
        counts[row["status"]] = counts.get(row["status"], 0) + 1
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def describe_driver(device):
    words = [device["platform"], device["driver"]]
    return ", ".join(word for word in words if word)


def describe(path, found, device):
    machine = found["machine"]
    digests = "as stated" if device["digest_ok"] else "not as stated" if device["digests"] else "not run"
    return (
        f"[{device['id']}](devices/{path.name}): {cell(device['name'])} ({device['type']})",
        device["status"],
        count_rows(device["rows"]),
        f"{device['cases']:,}",
        digests,
        cell(describe_driver(device)),
        cell(f"{machine['processor'] or machine['architecture']}, {machine['system']}"),
        cell(f"{found['version']}, contract {found['contract']}, {found['date'][:10]}"),
    )


def failures(device):
    return [
        f"- {device['id']}, {row['operation']} ({row['provider']}): {row['status']}. {cell(row['text'])}"
        for row in device["rows"]
        if row["status"] in ("wrong", "crashed", "timed out")
    ]


def make_page(folder):
    rows, failed = [], []
    for path in sorted(folder.glob("*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        for device in found["devices"]:
            rows.append(describe(path, found, device))
            failed += failures(device)
    lines = [COLUMNS, tuple("---" for _ in COLUMNS), *rows]
    page = HEAD + "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return page + ("\n## What failed\n\n" + "\n".join(failed) + "\n" if failed else "")


if __name__ == "__main__":
    sys.stdout.write(make_page(Path(sys.argv[1])))
