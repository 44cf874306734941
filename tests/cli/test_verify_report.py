#!/usr/bin/env python3
"""tassello verify --report and --compare: drivers that crash, hang or are wrong, what is written, and what differs.

The drivers' faults are those of the fault layer (tests/fault_layer.c), which is beside the command in the build folder.
"""
import copy
import json
import os
import re
import signal
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

from common import POCL_ICD, Skip, case, expect, leftovers, main, one_object

ROOT = Path(__file__).resolve().parents[2]
SOME = ("--op", "sgd,lion,add", "--cases", "2")
REFERENCE = ("verify", "--device", "reference", *SOME)
FILES = ("verify.json", "report.txt", "index.html")
LAUNCH = "call=clEnqueueNDRangeKernel;kernel=lion;"
PATIENCE = 20  # seconds of --limit: kernels are built before, but the machine may be busy
VOID = {"meta", "br", "link", "img", "hr", "input"}


# -------------------------------------------------------------------------------------------------------- the schema


def read_schema():
    """doc/verify.md's tables: {"": {field: (type, optional)}, "rows": ...}."""
    parts = re.split(r"^### (.+)$", (ROOT / "doc/verify.md").read_text(), flags=re.M)[1:]
    tables = {}
    for name, text in zip(parts[::2], parts[1::2]):
        rows = re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", text.split("\n## ")[0], re.M)
        tables["" if name == "The file" else name] = {
            field: (kind.replace(", optional", ""), "optional" in kind) for field, kind in rows
        }
    return tables


SCHEMA = read_schema()
STATUSES = ("exact", "tolerance", "wrong", "unsupported", "crashed", "timed out")
KINDS = {
    "text": lambda v: isinstance(v, str),
    "whole": lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= 0,
    "number": lambda v: v is None or isinstance(v, (int, float)) and not isinstance(v, bool),
    "boolean": lambda v: isinstance(v, bool),
    "status": lambda v: v in STATUSES,
    "texts": lambda v: isinstance(v, list) and all(isinstance(one, str) for one in v),
}


def check_object(value, table, place=""):
    expect(isinstance(value, dict), f"{place} is no object")
    unknown = set(value) - set(SCHEMA[table])
    expect(not unknown, f"{place}: {unknown} not in doc/verify.md")
    for field, (kind, optional) in SCHEMA[table].items():
        at = f"{place}.{field}"
        if field not in value:
            expect(optional, f"{at} is missing")
        elif kind in KINDS:
            expect(KINDS[kind](value[field]), f"{at} is {value[field]!r}, not a {kind}")
        elif isinstance(value[field], list):
            for n, one in enumerate(value[field]):
                check_object(one, kind, f"{at}[{n}]")
        elif not (kind.endswith(" or null") and value[field] is None):
            check_object(value[field], kind.split()[0], at)


# --------------------------------------------------------------------------------------------------------- the folder


class Page(HTMLParser):
    """Tags that match, identifiers that links lead to, nothing from elsewhere."""

    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.ids, self.text = [], [], [], ""
        self.cells, self.row = {}, []
        self.feed(text)
        self.close()
        expect(not self.open, f"not closed: {self.open}")
        expect(len(set(self.ids)) == len(self.ids), f"an id twice: {self.ids}")
        for link in self.links:
            expect(link.startswith("#") and link[1:] in self.ids, f"a link to {link}")

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        expect(tag not in ("script", "link", "img", "iframe"), f"a {tag}")
        expect("src" not in attrs and "style" not in attrs, f"{tag} {attrs}")
        self.links += [attrs["href"]] if "href" in attrs else []
        self.ids += [attrs["id"]] if "id" in attrs else []
        if tag == "tr":
            self.row = []
        if tag in ("td", "th"):
            self.row.append("")

    def handle_endtag(self, tag):
        expect(self.open and self.open[-1] == tag, f"</{tag}> in {self.open}")
        self.open.pop()
        if tag == "tr":
            self.cells[self.row[0]] = self.row[1:]

    def handle_data(self, data):
        if "style" in self.open:
            expect("url(" not in data and "@import" not in data, "the style loads something")
            return
        self.text += data
        if self.open and ("td" in self.open or "th" in self.open):
            self.row[-1] += data


def read_report(folder):
    """The JSON, after the three files have been checked."""
    expect(sorted(os.listdir(folder)) == sorted(FILES), f"{os.listdir(folder)}")
    found = json.loads((folder / "verify.json").read_text())
    check_object(found, "")
    page = Page((folder / "index.html").read_text())
    note = (folder / "report.txt").read_text()
    expect(max(map(len, note.splitlines())) < 120 and note.isascii(), note)
    for number, device in enumerate(found["devices"]):
        expect(device["id"] in page.text and f"\n{device['id']}: {device['status']}\n" in note, f"{device['id']}")
        counts = [sum(row["status"] in ok for row in device["rows"]) for ok in
                  (("exact", "tolerance"), ("wrong", "crashed", "timed out"), ("unsupported",))]
        expect(counts == [device["passed"], device["failed"], device["skipped"]], f"{counts} {device}")
        for row in device["rows"]:
            if row["provider"] == "kernel":
                expect(page.cells[row["operation"]][number].startswith(row["status"]), f"{row} {page.cells}")
            failed = row["status"] in ("wrong", "crashed", "timed out")
            expect(bool(row["command"]) == failed, f"{row}")
            if failed:
                expect(row["command"] in note and row["command"] in page.text, f"{row['command']} is not shown")
    return found


def statuses(device):
    return {row["operation"]: row["status"] for row in device["rows"]}


def pocl(t, *rules):
    """PoCL below the layer."""
    layer = Path(t.program).parent.parent / "tests" / "libfault_layer.so"
    if not layer.exists():
        raise Skip(f"no {layer}")
    return {"OCL_ICD_VENDORS": POCL_ICD, "OPENCL_LAYERS": str(layer), "TASSELLO_FAULT": "|".join(rules)}


# ------------------------------------------------------------------------------------------------------------- cases


@case("verify --report: three whole files as doc/verify.md and HTML have them; nothing else; status 0")
def _(t):
    folder = t.place() / "a report"
    result = t.run("verify", "--device", "reference", "--cases", "0", "--report", folder)
    device = read_report(folder)["devices"][0]
    expect(device["status"] == "exact" and device["tier"] == "exact" and device["digest_ok"], f"{device}")
    expect(len(device["rows"]) > 80 and set(statuses(device).values()) == {"exact"}, f"{statuses(device)}")
    expect(f"report       {folder}/index.html" in result.out, "other words", result)
    expect(all(re.match(r"\d+ cases, ", line) for line in result.err.splitlines()), "more than progress", result)
    expect(re.search(r"^\d+ passed, 0 failed, 0 skipped$", result.out, re.M), "no count", result)


@case("verify --all --report: without a driver the reference's rows, as --json has them")
def _(t):
    folder, file = t.place(), t.place() / "v.json"
    t.run("verify", "--all", *SOME, "--report", folder, "--json", file)
    found, written = read_report(folder), json.loads(file.read_text())
    expect(found["devices"] == written["devices"] and len(found["devices"]) == 1, f"{written}")
    expect(statuses(found["devices"][0]) == {"sgd": "exact", "lion": "exact", "add": "exact"}, f"{found}")


@case("verify --lines: what begins, each row, the result, the end; a device that is not there has a result alone")
def _(t):
    lines = [json.loads(line) for line in t.run(*REFERENCE, "--lines").out.splitlines()]
    keys = [next(iter(line)) for line in lines]
    expect([k for k in keys if k != "progress"] == ["device", *["begin", "row"] * 3, "result", "end"], f"{keys}")
    row = next(line["row"] for line in lines if "row" in line)
    check_object(row, "rows")
    check_object({**lines[-2]["result"], "rows": []}, "devices")
    result = t.run("verify", "--device", "nothing", "--lines", status=1)
    (first, _) = map(json.loads, result.out.splitlines())
    expect(first["result"]["status"] == "unsupported" and "nothing" in first["result"]["why"], f"{first}")


@case("verify --report: a driver that aborts fails its own row; the others follow in another process", needs="pocl")
def _(t):
    folder = t.place()
    words = ("verify", "--device", "pocl", *SOME, "--report", folder)
    result = t.run(*words, env=pocl(t, LAUNCH + "abort=1"), status=1)
    device = read_report(folder)["devices"][0]
    expect(statuses(device) == {"sgd": "exact", "lion": "crashed", "add": "exact"}, f"{device['rows']}", result)
    row = next(row for row in device["rows"] if row["operation"] == "lion")
    expect(row["signal"] == signal.SIGABRT and "signal 6" in row["text"], f"{row}")
    expect(device["status"] == "crashed" and device["tier"] == "refused" and device["name"], f"{device}")
    expect(re.search(r"^  CRASHED  lion ", result.out, re.M) and "2 passed, 1 failed" in result.out, "not told", result)
    again = t.run(*row["command"].split()[1:], env=pocl(t, LAUNCH + "abort=1"), status=None)
    expect(again.status == -signal.SIGABRT, "the command does not repeat it", again)


@case("verify --report: a driver that hangs fails its own row, after --limit", needs="pocl")
def _(t):
    folder = t.place()
    words = ("verify", "--device", "pocl", *SOME)
    t.run(*words, env=pocl(t))  # builds the kernels
    result = t.run(*words, "--report", folder, "--limit", PATIENCE, env=pocl(t, LAUNCH + "pause=3600000"), status=1)
    device = read_report(folder)["devices"][0]
    expect(statuses(device) == {"sgd": "exact", "lion": "timed out", "add": "exact"}, f"{device['rows']}", result)
    row = next(row for row in device["rows"] if row["operation"] == "lion")
    expect(f"{PATIENCE} s" in row["text"] and "signal" not in row and device["status"] == "timed out", f"{row}")


@case("verify --report: a driver that is wrong; the command in the report repeats it", needs="pocl")
def _(t):
    folder, rule = t.place(), LAUNCH + "drop=1;times=0"
    t.run("verify", "--device", "pocl", *SOME, "--report", folder, env=pocl(t, rule), status=1)
    device = read_report(folder)["devices"][0]
    expect(statuses(device) == {"sgd": "exact", "lion": "wrong", "add": "exact"}, f"{device['rows']}")
    row = next(row for row in device["rows"] if row["operation"] == "lion")
    failure = row["failure"]
    expect(failure["got"] != failure["expected"] and failure["case"] in row["command"], f"{row}")
    again = one_object(t.run(*row["command"].split()[1:], "--json", "-", env=pocl(t, rule), status=1))
    expect(again["devices"][0]["rows"][0]["failure"]["got"] == failure["got"], f"{again}")


@case("verify --all --report: a driver that aborts when it is opened, or when devices are listed", needs="pocl")
def _(t):
    folder = t.place()
    words = ("verify", "--all", *SOME, "--report", folder)
    t.run(*words, env=pocl(t, "call=clCreateContext;abort=1"), status=1)
    first, second = read_report(folder)["devices"]
    expect((first["id"], first["status"], first["rows"]) == ("pocl", "crashed", []), f"{first}")
    expect(first["name"] and "opening the device" in first["why"] and "signal 6" in first["why"], f"{first}")
    expect((second["id"], second["status"]) == ("reference", "exact"), f"{second}")
    t.run(*words, env=pocl(t, "call=clGetDeviceIDs;abort=1"), status=1)
    first, second = read_report(folder)["devices"]
    expect((first["id"], first["status"]) == ("drivers", "crashed") and "listing" in first["why"], f"{first}")
    expect((second["id"], second["status"]) == ("reference", "exact"), f"{second}")


@case("verify --report: a signal ends it and its process; the folder is left as it was")
def _(t):
    folder = t.place()
    for name in FILES:
        (folder / name).write_text("old")
    child = t.start("verify", "--device", "reference", "--time", "100s", "--op", "add", "--report", folder)
    while not (lines := child_pids(child.pid)) and child.poll() is None:
        time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    _, err = child.communicate(timeout=60)
    expect(child.returncode == 130 and b"interrupted" in err, f"{child.returncode} {err}")
    expect(not any(Path(f"/proc/{pid}").exists() for pid in lines), f"{lines} is left")
    expect({(folder / name).read_text() for name in FILES} == {"old"} and not leftovers(folder, *FILES), "replaced")


def child_pids(pid):
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(") ", 1)[1].split()
        except OSError:  # it has ended
            continue
        found += [int(path.parent.name)] if int(fields[1]) == pid else []
    return found


@case("verify --report: a folder that cannot be written is an error before the work")
def _(t):
    file, folder = t.place() / "file", t.place()
    file.write_text("")
    (folder / "verify.json").mkdir()
    for path, word in ((file / "x", "Not a directory"), (folder, "verify.json"), (file, "file")):
        begin = time.monotonic()
        t.fails(1, (f"--report {path}", word), "verify", "--device", "reference", "--report", path, "--cases", "100000")
        expect(time.monotonic() - begin < 60, "after the work")
    expect(os.listdir(folder) == ["verify.json"] and not file.read_text(), "something was written")


@case("verify: options that exclude each other are wrong usage")
def _(t):
    for words in (("--compare", "a"), ("a",), ("--lines", "--all"), ("--lines", "--json", "x"), ("--limit", "0"),
                  ("--lines", "--report", "x")):
        t.fails(2, (words[0],), "verify", *words)


# ----------------------------------------------------------------------------------------------------------- comparing


def saved(t, found, name="b.json"):
    path = t.place() / name
    path.write_text(found if isinstance(found, str) else json.dumps(found))
    return path


def verified(t):
    path = t.place() / "a.json"
    t.run(*REFERENCE, "--json", path)
    return path, json.loads(path.read_text())


@case("verify --compare: the same results have status 0, on other machines and with other versions as well")
def _(t):
    path, found = verified(t)
    expect(t.run("verify", "--compare", path, path).out == "results:\nthe same\n", "not the same")
    found["version"], found["machine"]["processor"], found["devices"][0]["driver"] = "9.9", "another", "7"
    found["devices"][0]["tier"] = "untested"
    found["devices"][0]["rows"][0]["seconds"] = 1e9
    out = t.run("verify", "--compare", path, saved(t, found)).out
    for word in ("circumstances", "-> 9.9", "-> another", "-> 7", "the same"):
        expect(word in out, f"no {word!r} in {out}")


@case("verify --compare: whatever differs in the results is printed, and has status 1")
def _(t):
    path, found = verified(t)

    def differs(change, *words):
        other = copy.deepcopy(found)
        change(other, other["devices"][0])
        out = t.run("verify", "--compare", path, saved(t, other), status=1).out
        for word in (*words, "1 difference\n"):
            expect(word in out, f"no {word!r} in {out}")

    differs(lambda o, d: o.update(contract=99), "contract", "-> 99")
    differs(lambda o, d: d.update(status="wrong"), "reference: status", "exact -> wrong")
    differs(lambda o, d: d["digests"].append("ab" * 32), "digest 1", "none -> abab")
    named = f"{found['devices'][0]['rows'][1]['operation']} (kernel)"
    differs(lambda o, d: d["rows"][1].update(status="timed out"), named, "exact -> timed out")
    differs(lambda o, d: d["rows"][0].update(worst_error=0.5), "largest error 0.5 of the bound")
    differs(lambda o, d: d["rows"].pop(), "exact -> not run")
    differs(lambda o, d: o["devices"].append({**d, "id": "gpu", "name": "x"}), "gpu", "not tested -> exact")


@case("verify --compare: devices are matched by id, then by name and driver")
def _(t):
    path, found = verified(t)
    found["devices"][0]["id"] = "other"
    out = t.run("verify", "--compare", path, saved(t, found)).out
    expect("reference: id" in out and "-> other" in out and "the same" in out, out)
    found["devices"][0]["driver"] = "other"
    out = t.run("verify", "--compare", path, saved(t, found), status=1).out
    expect("exact -> not tested" in out and "not tested -> exact" in out and "2 differences" in out, out)


@case("verify --compare: a file that is missing, cut short, of another kind or schema is refused with the place")
def _(t):
    path, found = verified(t)
    text = json.dumps(found, indent=1)

    def refused(other, *words):
        t.fails(1, (f"--compare {other}", *words), "verify", "--compare", path, other)
        t.fails(1, (f"--compare {other}", *words), "verify", "--compare", other, path)

    refused(Path("/no/such.json"), "No such file")
    for cut in (0, 1, len(text) // 2, len(text) - 2):
        refused(saved(t, text[:cut]), "line")
    refused(saved(t, "[1]"), "schema")
    refused(saved(t, {"bench": 1, "rows": []}), "schema")
    refused(saved(t, {**found, "schema": 2}), "schema: is 2, and this version reads 1")
    found["devices"][0]["rows"][1]["status"] = "ok"
    refused(saved(t, found), "devices[0].rows[1].status: expected a status")


@case("verify --compare: every field of doc/verify.md has to be there, with its type; others are ignored")
def _(t):
    path, found = verified(t)
    device = found["devices"][0]
    device["rows"] = device["rows"][:1]
    device["rows"][0]["failure"] = {"case": "1:1", "shape": "n=1", "operand": "w", "element": 0, "got": "0",
                                    "expected": "1", "ulp": 1, "differing": 1, "elements": 1}
    device["rows"][0]["signal"] = 6
    places = {"": (found, ""), "machine": (found["machine"], "machine."), "devices": (device, "devices[0]."),
              "rows": (device["rows"][0], "devices[0].rows[0]."),
              "failure": (device["rows"][0]["failure"], "devices[0].rows[0].failure.")}
    expect(set(places) == set(SCHEMA), f"{set(SCHEMA)}")

    def compare(status):
        return t.run("verify", "--compare", file, file, status=status)

    file = saved(t, {**found, "a later field": [1]})
    compare(0)
    for table, (place, name) in places.items():
        for field, (_, optional) in SCHEMA[table].items():
            kept = place.pop(field)
            file.write_text(json.dumps(found))
            compare(0 if optional else 1).says("" if optional else f"{name}{field}")
            place[field] = {"of": "no type"} if field not in places else 7
            file.write_text(json.dumps(found))
            compare(1).says(f"{name}{field}")
            place[field] = kept


if __name__ == "__main__":
    sys.exit(main(__doc__))
