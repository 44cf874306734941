#!/usr/bin/env python3
"""The documents against what they are about.

    test_docs.py BUILD_FOLDER            checks
    test_docs.py --write BUILD_FOLDER    renews doc/command.md and doc/network.md from the manual pages, and
                                         doc/devices.md from the files of doc/devices/

- doc/command.md and doc/network.md hold what the manual pages hold
- doc/devices.md holds what the files of doc/devices/ hold, each of one device and readable by verify --compare
- each link of a document leads to a file of the repository
- the folders in CONTRIBUTING.md include what lint_source.py lets them include
- the networks that a document shows are read without an error
"""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

from lint_source import FOLDERS

ROOT = Path(__file__).resolve().parent.parent
PAGES = {"doc/command.md": "tassello.1", "doc/network.md": "tassello-network.5"}
DEVICES = ROOT / "doc" / "devices"
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "doc").glob("*.md"))]


def load(tool):
    spec = importlib.util.spec_from_file_location(tool, ROOT / "tools" / f"{tool}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check_page(document, text, source, build, write):
    path = ROOT / document
    if write:
        path.write_text(text)
    elif not path.exists() or path.read_text() != text:
        return [f"{document}: differs from {source}: tests/test_docs.py --write {build}"]
    return []


def check_pages(build, write):
    problems, convert = [], load("markdown").convert
    for document, page in PAGES.items():
        text = convert((build / "tools" / page).read_text(encoding="utf-8"))
        problems += check_page(document, text, page, build, write)
    return problems


def check_devices(build, write):
    problems = []
    for path in sorted(DEVICES.iterdir()):
        command = [build / "tools" / "tassello", "verify", "--compare", path, path]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            problems.append(f"doc/devices/{path.name}: {done.stderr.strip()}")
        elif len(json.loads(path.read_text())["devices"]) != 1:
            problems.append(f"doc/devices/{path.name}: has several devices; expected --device, not --all")
    if problems:
        return problems
    return check_page("doc/devices.md", load("devices_page").make_page(DEVICES), "doc/devices/", build, write)


def check_links():
    problems = []
    for path in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text()):
            if not target.startswith(("http:", "https:")) and not (path.parent / target).exists():
                problems.append(f"{path.relative_to(ROOT)}: a link to {target}, which is not there")
    return problems


def check_folders():
    problems, table = [], {}
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for folder, uses in re.findall(r"^\| `src/(\w+)/` \|.*\| ([^|]*) \|$", text, re.M):
        table[folder] = set() if uses == "nothing" else set(uses.split(", "))
    for folder in sorted(set(table) | set(FOLDERS)):
        if table.get(folder) != FOLDERS.get(folder):
            problems.append(
                f"CONTRIBUTING.md: src/{folder}/ uses {sorted(table.get(folder, []))}, "
                f"lint_source.py says {sorted(FOLDERS.get(folder, []))}"
            )
    return problems


def check_networks(build):
    problems = []
    for path in DOCUMENTS:
        for block in re.findall(r"(?:^    .*\n|^\n)+", path.read_text(), re.M):
            text = re.sub(r"^    ", "", block, flags=re.M).strip()
            if not text.startswith("input "):
                continue
            command = [build / "tools" / "tassello", "inspect", "-"]
            done = subprocess.run(command, input=text, capture_output=True, text=True)
            if done.returncode:
                problems.append(f"{path.relative_to(ROOT)}: {done.stderr.strip()}")
    return problems


def main():
    write, build = "--write" in sys.argv[1:], Path(sys.argv[-1])
    problems = check_pages(build, write) + check_devices(build, write)
    problems += check_links() + check_folders() + check_networks(build)
    for problem in problems:
        print(problem)
    print(f"documents: {len(problems)} problem{'' if len(problems) == 1 else 's'}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
