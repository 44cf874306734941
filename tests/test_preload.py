#!/usr/bin/env python3
"""The command when the C library fails it: memory, files, clocks (fault_preload.c, through LD_PRELOAD).

    test_preload.py TASSELLO LIBRARY [--all] [WORD]...    the scenarios and cases whose names hold a WORD

For each scenario, each call of the undisturbed run fails once, and from then on, with the errors of ERRORS; without
--all only the first call from each place in the program does, and in the first scenario of its command. The command
must end as if nothing had happened, or with status 1 and a message; it must not crash or hang, no file may be lost or
damaged, and none may be left behind. Prints and logs as cli/common.py does, and a table of what was counted. Exit
status 0; 1 if something failed.
"""
import collections
import itertools
import json
import os
import random
import re
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "cli"))
from common import expect, make_arrays, make_set, png, Skip, Tool  # noqa: E402

EINTR, EIO, ENOMEM, EACCES, EMFILE, ENOSPC = 4, 5, 12, 13, 24, 28
ONCE, EVER = 1, 0
# What a call fails with: (the rule's keys, how often).
ERRORS = {
    "malloc": [(f"error={ENOMEM}", ONCE), (f"error={ENOMEM}", EVER)],
    "open": [(f"error={EIO}", ONCE), (f"error={EIO}", EVER), (f"error={EMFILE}", ONCE)],
    "close": [(f"error={EIO}", ONCE), (f"error={EIO}", EVER), (f"error={EINTR}", ONCE)],
    "read": [(f"error={EIO}", ONCE), (f"error={EIO}", EVER), (f"error={EINTR}", ONCE), ("short=1", EVER)],
    "write": [(f"error={ENOSPC}", ONCE), (f"error={ENOSPC}", EVER), (f"error={EIO}", ONCE), (f"error={EINTR}", ONCE),
              ("short=1", EVER)],
    "seek": [(f"error={EIO}", ONCE), (f"error={EIO}", EVER)],
    "fsync": [(f"error={EIO}", ONCE), (f"error={EIO}", EVER), (f"error={ENOSPC}", ONCE)],
    "rename": [(f"error={EIO}", ONCE), (f"error={EIO}", EVER), (f"error={ENOSPC}", ONCE)],
    "link": [(f"error={EIO}", ONCE), (f"error={EIO}", EVER)],
    "unlink": [(f"error={EIO}", ONCE)],
    "mkdir": [(f"error={EACCES}", ONCE), (f"error={ENOSPC}", EVER)],
    "stat": [(f"error={EIO}", ONCE), (f"error={EIO}", EVER)],
    "mmap": [(f"error={ENOMEM}", ONCE), (f"error={ENOMEM}", EVER)],
    "ftruncate": [(f"error={ENOSPC}", ONCE), (f"error={ENOSPC}", EVER)],
}
HARMLESS = ("short=1",)  # a caller that stops there is wrong
# Of JSON: what memory and the clock decide.
LOOSE = {"seconds", "start_seconds", "examples_per_s", "decision_s", "peak_bytes", "host_bytes", "forecast_bytes",
         "tile", "tiles", "resident", "cuts", "replays", "passes", "kept_bytes", "budget", "audit", "init"}
SWEPT = (2, 3)  # the seeds of the sweep's runs
SCENARIOS = {}


def scenario(name):
    """A function that fills a folder, and returns the arguments of a run in it."""
    def add(function):
        SCENARIOS[name] = function
        return function
    return add


TRAIN = ("--device", "reference", "--batch", "16")


@scenario("train")
def _(t, folder):
    t.train("--steps", "3", "--seed", "9", "--save", folder / "s", "--save-every", "1", "--save-best", folder / "b",
            "--validation", "40")
    return ("train", t.net, t.data, *TRAIN, "--steps", "14", "--save", "s", "--save-every", "9", "--save-best", "b",
            "--validation", "40", "--log", "l", "--json")


@scenario("train, streamed, normalized in tiles, with memory of the host")
def _(t, folder):
    net = folder / "net"
    net.write_text("input data normalize\naugment shift 1\ndense 8\nbatch_norm\nrelu\ndense data\nloss data\n")
    words = ("train", "net", t.data, *TRAIN, "--tile", "5", "--noise", "--steps", "6", "--keep-on-host", "--optimizer",
             "adamw", "--save", "s", "--json")
    least = t.run(*words, "--budget", "1", status=1, cwd=folder)
    return (*words, "--budget", re.findall(r"\d+", least.err)[-1])


@scenario("train --resume")
def _(t, folder):
    t.train("--steps", "5", "--save", folder / "s", "--log", folder / "l")
    return ("train", t.net, t.data, "--device", "reference", "--resume", "s", "--steps", "9", "--save", "s", "--log",
            "l", "--json")


@scenario("train --init")
def _(t, folder):
    t.train("--steps", "5", "--save", folder / "old")
    return "train", t.net, t.data, *TRAIN, "--steps", "4", "--init", "old", "--save", "s", "--json"


@scenario("train --batch grow")
def _(t, folder):
    return ("train", t.net, t.data, "--device", "reference", "--batch", "grow", "--batch-least", "4", "--epochs", "40",
            "--lr", "0.01", "--save", "s", "--json")


@scenario("train on pictures, which are cached")
def _(t, folder):
    draw = random.Random(1)
    for name in ("cat", "dog"):
        (folder / "set" / name).mkdir(parents=True)
        for k in range(9):
            (folder / "set" / name / f"{k}.png").write_bytes(png(8, 8, draw.randbytes(64)))
    (folder / "net").write_text("input 1x8x8\ndense 2\n")
    made = t.run("train", "net", "set", *TRAIN, "--steps", "1", status=None, cwd=folder)
    if "made without" in made.err:
        raise Skip("no libpng")
    return "train", "net", "set", "--device", "reference", "--batch", "8", "--steps", "2", "--save", "s", "--json"


@scenario("train on arrays")
def _(t, folder):
    make_arrays(folder, 60)
    return "train", "values.net", "values.npz", *TRAIN, "--steps", "3", "--save", "s", "--json"


@scenario("train on a table")
def _(t, folder):
    draw = random.Random(1)
    rows = [f"{draw.random():.3f},{draw.choice(['', '1', '2'])},{draw.choice('xyz')}" for _ in range(80)]
    (folder / "t.csv").write_text("\n".join(["a,b,c", *rows]) + "\n")
    (folder / "net").write_text("input data normalize\ndense data\nloss data\n")
    return "train", "net", "t.csv", *TRAIN, "--missing", "mean", "--steps", "3", "--save", "s", "--json"


@scenario("train on LIBSVM")
def _(t, folder):
    (folder / "t.svm").write_text("".join(f"{k % 2} 1:{k}.5 3:{k % 7}\n" for k in range(60)))
    (folder / "net").write_text("input data normalize\ndense data\nloss data\n")
    return "train", "net", "t.svm", *TRAIN, "--steps", "3", "--json"


@scenario("train on IDX, packed")
def _(t, folder):
    make_set(folder / "d", 40, 20, suffix=".gz")
    return "train", t.net, "d", *TRAIN, "--steps", "3", "--json"


@scenario("train --batch-schedule")
def _(t, folder):
    return ("train", t.net, t.data, "--device", "reference", "--batch-schedule", "8,2:16", "--optimizer", "lamb",
            "--lr-scaling", "auto", "--steps", "4", "--save", "s", "--json")


@scenario("eval --metrics")
def _(t, folder):
    t.train("--steps", "5", "--save", folder / "s")
    return "eval", "s", t.data, "--device", "reference", "--metrics"


@scenario("predict")
def _(t, folder):
    t.train("--steps", "5", "--save", folder / "s")
    return "predict", "s", t.data, "--device", "reference", "--csv"


@scenario("predict -")
def _(t, folder):
    make_arrays(folder, 60)
    t.train("--steps", "5", "--save", folder / "s", net=folder / "classes.net", data=folder / "classes.npz")
    return "predict", "s", "-", "--device", "reference"


@scenario("export")
def _(t, folder):
    t.train("--steps", "5", "--save", folder / "s")
    (folder / "m.onnx").write_text("earlier")
    return "export", "s", "m.onnx"


@scenario("import")
def _(t, folder):
    t.train("--steps", "5", "--save", folder / "s")
    if "made without" in t.run("export", folder / "s", folder / "m.onnx", status=None).err:
        raise Skip("no ONNX")
    return "import", "m.onnx", "new"


@scenario("sweep")
def _(t, folder):
    return ("sweep", t.net, t.data, "--device", "reference", "--batches", "16,4", "--target-loss", "0.9", "--epochs",
            "2", "--seeds", "2", "--momentum", "0", "--lr", "0.05", "--lr-scaling", "none", "--brief", "--state",
            "state", "--json", "j", "--runs", "runs.csv")


@scenario("plan")
def _(t, folder):
    return "plan", t.net, t.data, "--device", "reference"


@scenario("inspect")
def _(t, folder):
    t.train("--steps", "5", "--save", folder / "s")
    return "inspect", "s", "--json"


@scenario("data")
def _(t, folder):
    return "data", t.data, "--json"


@scenario("devices")
def _(t, folder):
    return "devices", "--json"


@scenario("verify")
def _(t, folder):
    (folder / "v").write_text("earlier")
    return "verify", "--device", "reference", "--op", "dense_forward", "--cases", "1", "--json", "v"


# ------------------------------------------------------------------------------------------------- what a run may leave


def without_times(value):
    if isinstance(value, dict) and "recommendation" in value:  # it follows from times, as does the run that checks it
        return [without_times(one) for one in value["runs"] if one["seed"] in SWEPT]
    if isinstance(value, dict):
        return {key: without_times(one) for key, one in value.items() if key not in LOOSE}
    return [without_times(one) for one in value] if isinstance(value, list) else value


def text_of(raw):
    """JSON without what may differ; text and tables without that."""
    if raw.startswith(b"batch,lr,seed,"):
        rows = [line.split(",") for line in raw.decode().splitlines()[1:]]
        return [row[:5] + row[6:] for row in rows if int(row[2]) in SWEPT]
    try:
        text = raw.decode()
        return without_times([json.loads(one) for one in ([text] if text.startswith("{\n") else text.splitlines())])
    except ValueError:
        return re.sub(rb"(?m)^(peak memory|rate|plan|steps) .*\n|\d+\.\d+ s$", b"", raw)


def file_content(raw):
    """Of a checkpoint the tensors and what it says of them; None if it is damaged. Else as text_of()."""
    try:
        return read_content(raw)
    except (KeyError, ValueError):
        return None


def read_content(raw):
    size = int.from_bytes(raw[:8], "little")
    if not (8 < size < len(raw) and raw[8:10] == b'{"'):
        return text_of(raw)
    head = json.loads(raw[8:8 + size])
    about = head.pop("__metadata__", {})
    if 8 + size + max(row["data_offsets"][1] for row in head.values()) != len(raw):
        return None
    tensors = {name: raw[8 + size + row["data_offsets"][0]:8 + size + row["data_offsets"][1]]
               for name, row in head.items()}
    about = {key: without_times(json.loads(text)) if text.startswith("{") else text for key, text in about.items()}
    if "more" in about.get("tassello.state", {}):
        more = json.loads(about["tassello.state"]["more"])
        del more["progress"]  # has times
        about["tassello.state"]["more"] = without_times(more)
    return about, tensors


def files_of(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


class Scenario:
    """A template of the folder in which it runs, and what an undisturbed run leaves there."""

    def __init__(self, t, name):
        self.t, self.name, self.template = t, name, t.place()
        self.arguments = SCENARIOS[name](t, self.template)
        self.before = files_of(self.template)
        self.result, folder, self.counted, sites = self.run(trace=True)
        expect(self.counted and self.counted["malloc"] and sites, "the library was not loaded", self.result)
        self.after = {name: file_content(raw) for name, raw in files_of(folder).items()}
        self.cached = {name for name in self.after if name.startswith("cache/")}
        self.places = collections.defaultdict(dict)  # of a call: the first from each place in the program
        seen = collections.Counter()
        for call, where in sites:
            seen[call] += 1
            self.places[call].setdefault(where, seen[call])
        shutil.rmtree(folder)

    def run(self, fault="", trace=False, **variables):
        """(result, folder, what was counted, the calls that failed or, with trace, all: (call, caller))."""
        t, folder = self.t, self.t.place()
        shutil.copytree(self.template, folder, dirs_exist_ok=True)
        log, fired = Path(f"{folder}.log"), Path(f"{folder}.fired")
        env = {"LD_PRELOAD": t.library, "TASSELLO_PRELOAD": fault, "TASSELLO_PRELOAD_LOG": str(log),
               "TASSELLO_PRELOAD_FIRED": str(fired), "XDG_CACHE_HOME": str(folder / "cache"), "TMPDIR": str(folder),
               **({"TASSELLO_PRELOAD_TRACE": "1"} if trace else {}), **variables}
        source = open(folder / "x.npy", "rb") if "-" in self.arguments else None
        result = t.run(*self.arguments, status=None if fault else 0, timeout=120, cwd=folder, env=env,
                       **({"stdin": source} if source else {}))
        counted = json.loads(log.read_text()) if log.exists() else None
        lines = [tuple(line.split(" ", 1)) for line in fired.read_text().splitlines()] if fired.exists() else []
        log.unlink(missing_ok=True)
        fired.unlink(missing_ok=True)
        return result, folder, counted, lines

    def check(self, call, nth, keys, times):
        """True if it went on as if nothing had happened; False if it failed as it should."""
        result, folder, counted, fired = self.run(f"call={call};nth={nth};times={times};{keys}")
        where = f" ({fired[0][1]})" if fired else ""
        try:
            expect(result.status in (0, 1), f"status {result.status}{where}", result)
            expect(counted and counted["faults"], "the fault did not happen", result)
            if result.status == 1:
                expect("tassello" in result.err, f"no message{where}", result)
                expect(keys not in HARMLESS, f"it failed{where}", result)
            else:
                same = self.name == "sweep" or text_of(result.raw) == text_of(self.result.raw)
                expect(same, f"another result{where}", result)
            self.check_files(result, folder, where)
        except AssertionError as error:
            t_name = f"call={call};nth={nth};times={times};{keys}"
            raise AssertionError(f"{t_name}: {error}") from None
        shutil.rmtree(folder)
        return result.status == 0

    def check_files(self, result, folder, where):
        now = files_of(folder)
        for name, raw in now.items():
            if name in self.before or name in self.after:
                # A log is written line by line, and has no line of a checkpoint whose failure is reported.
                if name != "l" or not (result.status or "tassello train:" in result.err):
                    content = file_content(raw)
                    good = [file_content(self.before[name])] if name in self.before else []
                    good += [self.after[name]] if name in self.after else []
                    expect(content is not None and (content in good or self.is_earlier(name, content)),
                           f"{name} is damaged, or another{where}", result)
            else:
                expect(name in result.err or name.startswith("cache/"), f"left behind: {name}{where}", result)
        lost = set(self.before) - set(now)
        expect(not lost, f"lost: {lost}{where}", result)
        missing = set(self.after) - set(now) - self.cached - {n for n in self.after if n.endswith(".previous")}
        expect(result.status or not missing, f"not written, and nothing is said: {missing}{where}", result)

    def is_earlier(self, name, content):
        """A checkpoint of a step on the way, what sweeps keep, or what a verification found."""
        if name == "v":
            return isinstance(content, list)
        if name in ("j", "runs.csv"):  # of a sweep: what it has measured
            done = self.after[name]
            return all(one in done[0] for one in content[0]) if name == "j" else all(row in done for row in content)
        return name.startswith(("cache/", "state/")) or (isinstance(content, tuple) and name[0] in "sb")

    def tries(self, everything):
        """(call, nth, keys, times)"""
        for call, errors in ERRORS.items():
            nths = range(1, self.counted[call] + 1) if everything else sorted(self.new_places(call))
            some = errors if everything or self.name != "sweep" else errors[:1]  # it takes a second
            yield from ((call, nth, keys, times) for nth in nths for keys, times in some)

    def new_places(self, call):
        """Without those from where the same command did that in a scenario before."""
        for where, nth in self.places[call].items():
            place = (self.arguments[0], call, where)
            if place not in self.t.tried:
                self.t.tried.add(place)
                yield nth


# --------------------------------------------------------------------------------------------------------------- clocks


def check_clocks(t):
    """Clocks that jump or stand still: the same bits, no hang, times that are finite and not negative."""
    names, count = [name for name in ("train", "train --batch grow", "sweep") if t.wants(name)], 0
    for name in names:
        one = Scenario(t, name)
        for clock, after, seconds in itertools.product(("real", "steady"), (1, 3, 8), (-3600, 31536000, "stop")):
            what = f"{name}: the {clock} clock, {seconds} from its reading {after} on"
            result, folder, _, _ = one.run(TASSELLO_PRELOAD_CLOCK=f"{clock}:{after}:{seconds}")
            for text in (result.raw, *(raw for file, raw in files_of(folder).items() if file in "jl")):
                check_numbers(what, text, result)
            if name != "sweep":
                done, wanted = text_of(result.raw), text_of(one.result.raw)
                expect(done == wanted, f"{what}: another result", result)
            shutil.rmtree(folder)
            count += 1
    print(f"# {count} runs with a wrong clock", flush=True)


def check_numbers(what, raw, result):
    for line in raw.decode(errors="replace").splitlines():
        expect(not re.search(r"(?<![a-z])-?(nan|inf)(?![a-z])", line, re.I), f"{what}: {line[:300]}", result)
        for key, value in re.findall(r'"(\w*(?:seconds|_s|per_s|_time))":(-?[\d.e+-]+)', line):
            expect(float(value) >= 0, f"{what}: {key} is {value}", result)


# ---------------------------------------------------------------------------------------------------------- the harness


class Preloaded(Tool):
    def __init__(self, program, library, words):
        super().__init__(program)
        self.tried = set()
        self.library, self.words = str(Path(library).resolve()), words

    def wants(self, name):
        return not self.words or any(word in name for word in self.words)


def run_scenario(t, name, everything, pool):
    """(tries, went on, failed cleanly, messages of those that did neither)."""
    one = Scenario(t, name)
    tries = list(one.tries(everything))
    ends = list(pool.map(partial(attempt, one), tries))
    bad = [end for end in ends if isinstance(end, str)]
    return len(tries), ends.count(True), ends.count(False), bad


def attempt(one, words):
    try:
        return one.check(*words)
    except AssertionError as error:
        return str(error)


def main():
    everything, words = "--all" in sys.argv, [word for word in sys.argv[1:] if word != "--all"]
    if len(words) < 2:
        sys.exit(__doc__)
    begin, t = time.monotonic(), Preloaded(*words[:2], words[2:])
    if t.sanitized:
        print("a sanitizer has a malloc of its own")
        return 77
    chosen, totals, failed = [name for name in SCENARIOS if t.wants(name)], [0, 0, 0, 0], 0
    try:
        with ThreadPoolExecutor(2) as pool, open(os.environ.get("CK_TAP_LOG_FILE_NAME", os.devnull), "w") as log:
            log.write(f"1..{len(chosen) + 1}\n")
            for number, name in enumerate((*chosen, "clocks"), 1):
                bad = []
                try:
                    if name == "clocks":
                        check_clocks(t)
                    else:
                        count, went_on, clean, bad = run_scenario(t, name, everything, pool)
                        print(f"# {name}: {count} runs: {went_on} went on, {clean} clean errors, {len(bad)} wrong",
                              flush=True)
                        totals = [a + b for a, b in zip(totals, (count, went_on, clean, len(bad)))]
                except Skip as skip:
                    print(f"ok {number} - {name} # SKIP {skip}", flush=True)
                    continue
                except AssertionError as error:
                    bad = [str(error)]
                failed += bool(bad)
                line = f"{'not ok' if bad else 'ok'} {number} - {name}"
                print(line, flush=True)
                log.write(line + "\n")
                for text in bad[:12]:
                    print("\n".join("#   " + part for part in text.splitlines()), flush=True)
    finally:
        t.end()
    print(f"# {totals[0]} runs with a fault: {totals[1]} went on, {totals[2]} clean errors, {totals[3]} wrong; in "
          f"{time.monotonic() - begin:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
