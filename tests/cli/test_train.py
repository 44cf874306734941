#!/usr/bin/env python3
"""The command as its users meet it: exit statuses, what stdout carries, and what stderr says of each mistake.

    test_train.py TASSELLO [WORD]...    the cases whose names hold a WORD; all without one

Most cases use --device reference and need no driver; those of PoCL are skipped where it is not. Data sets are made here.
Prints `ok N - name` lines, and writes them to $CK_TAP_LOG_FILE_NAME, from which tests/tap and tests/tally.py count; what
was skipped is named on stdout and not counted. Exit status 0, or 1 where a case failed.
"""
import contextlib
import fcntl
import gzip
import json
import os
import pty
import random
import re
import resource
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

POCL_ICD = "/etc/OpenCL/vendors/pocl.icd"
LAST = re.compile(r"^test accuracy (\d\.\d{4}) loss (\d+\.\d{4})\nweights sha256 ([0-9a-f]{64})\n\Z", re.M)
LAST_MSE = re.compile(r"^test loss (\d+\.\d{4})\nweights sha256 ([0-9a-f]{64})\n\Z", re.M)
CRASH = re.compile(r"Sanitizer|runtime error:|Segmentation|stack smashing|free\(\)|malloc\(\)|Assertion|terminate called")
COMMANDS = ("devices", "inspect", "plan", "train", "sweep", "eval", "verify")
NET = "input 1x8x8\ndense 8\nrelu\ndense 4\n"
CASES = []


class Skip(Exception):
    pass


def case(name, needs=None):
    def add(function):
        CASES.append((name, function, needs))
        return function
    return add


def expect(condition, what, result=None):
    if not condition:
        raise AssertionError(what + (f"\n{result}" if result is not None else ""))


# ------------------------------------------------------------------------------------------------------- running it

class Result:
    def __init__(self, arguments, status, out, err, seconds):
        self.arguments, self.status, self.seconds = arguments, status, seconds
        self.raw = out
        self.out, self.err = out.decode(errors="replace"), err.decode(errors="replace")

    def __str__(self):
        words = " ".join(map(repr, self.arguments))
        return f"  {words}\n  status {self.status}\n  stdout: {self.out[-800:]!r}\n  stderr: {self.err[-1500:]!r}"

    def says(self, *texts):
        """Each text is on stderr, and none of it is a crash."""
        for text in texts:
            expect(text in self.err, f"stderr does not say {text!r}", self)
        return self

    def digest(self):
        found = LAST.search(self.out) or LAST_MSE.search(self.out)
        expect(found, "the last two lines are not the result", self)
        return found.groups()[-1]


class Tool:
    """The command, and a folder of one's own for each case to work in."""

    def __init__(self, program):
        self.program = str(Path(program).resolve())
        self.root = Path(tempfile.mkdtemp(prefix="tassello cli "))  # with spaces: paths must bear them
        cache = os.environ.get("XDG_CACHE_HOME") or str(self.root / "cache")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "POCL_", "CK_"))}
        self.environment.update(
            OCL_ICD_VENDORS="/nonexistent", XDG_CACHE_HOME=cache, HOME=str(self.root), TERM="xterm", POCL_CACHE_DIR=cache + "/pocl/kcache")
        os.makedirs(cache + "/pocl/kcache", exist_ok=True)  # where PoCL itself looks: the suites in C share it
        self.data = make_set(self.root / "data set")
        self.children = []
        self.net = self.root / "small net.txt"
        self.net.write_text(NET)
        self.sanitized = b"__asan_init" in Path(self.program).read_bytes()

    def place(self):
        return Path(tempfile.mkdtemp(prefix="case ", dir=self.root))

    def start(self, *arguments, env=None, **more):
        child = subprocess.Popen([self.program, *map(str, arguments)], env={**self.environment, **(env or {})},
                                 **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more})
        self.children.append(child)
        return child

    def end(self):
        for child in self.children:
            if child.poll() is None:  # its case has failed
                child.kill()
                child.wait()
        shutil.rmtree(self.root, ignore_errors=True)

    def run(self, *arguments, status=0, timeout=300, **more):
        begin = time.monotonic()
        child = self.start(*arguments, **more)
        try:
            out, err = child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
            result = Result(arguments, "none: it hangs", out or b"", err or b"", timeout)
            raise AssertionError(f"did not end within {timeout} s\n{result}") from None
        result = Result(arguments, child.returncode, out or b"", err or b"", time.monotonic() - begin)
        expect(not CRASH.search(result.err), "a crash", result)
        if status is not None:
            expect(result.status == status, f"status {result.status}, expected {status}", result)
        return result

    def train(self, *arguments, net=None, data=None, device="reference", **more):
        """A short training; later options win over these."""
        head = ["train", net or self.net, data or self.data, "--batch", "16", "--lr", "0.05"]
        return self.run(*head, *(["--device", device] if device else []), *arguments, **more)

    def fails(self, status, texts, *arguments, **more):
        """Fails with that status: nothing on stdout, these texts on stderr, the command's name in front."""
        result = self.run(*arguments, status=status, **more)
        expect(result.out == "", "stdout is not empty", result)
        expect(result.err.startswith("tassello"), "stderr does not begin with the command's name", result)
        return result.says(*texts)

    def checkpoint(self, path, *arguments, **more):
        self.train("--steps", "3", "--save", path, *arguments, **more)
        return path


# ------------------------------------------------------------------------------------------------------ data sets

def write_idx(path, dims, payload, magic=None):
    head = struct.pack(">I", 0x0800 | len(dims) if magic is None else magic) + b"".join(struct.pack(">I", d) for d in dims)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(head + payload, 1))
    else:
        path.write_bytes(head + payload)


def make_set(folder, train=240, test=80, size=8, classes=4, suffix=""):
    """Noise around one pattern a class: a network learns it in a few steps."""
    draw = random.Random(1)
    folder.mkdir(parents=True)
    patterns = [draw.randbytes(size * size) for _ in range(classes)]
    for name, count in (("train", train), ("t10k", test)):
        labels = bytes(i % classes for i in range(count))
        noise = [draw.randbytes(size * size) for _ in range(count)]
        pixels = b"".join(bytes((3 * p + n) // 4 for p, n in zip(patterns[k], noise[i])) for i, k in enumerate(labels))
        write_idx(folder / f"{name}-images-idx3-ubyte{suffix}", (count, size, size), pixels)
        write_idx(folder / f"{name}-labels-idx1-ubyte{suffix}", (count,), labels)
    return folder


def leftovers(folder, *expected):
    """Files that should not be there: a temporary one, say."""
    return sorted(set(os.listdir(folder)) - set(expected))


def one_object(result):
    expect(result.out.count("\n") == 1 and result.out.endswith("\n"), "stdout is not one line", result)
    return json.loads(result.out)


# ------------------------------------------------------------------------------------------------------- the frame

@case("--help of the command and of each subcommand: stdout alone, status 0")
def _(t):
    top = t.run("--help")
    for name in COMMANDS:
        expect(re.search(rf"^  {name} ", top.out, re.M), f"{name} is not listed", top)
        result = t.run(name, "--help")
        expect(result.err == "" and result.out.startswith(f"Usage: tassello {name} "), "no help", result)
        expect(all(len(line) < 80 for line in result.out.splitlines()), "a line is too long", result)
        t.run(name, "--usage")
    for word in ("--batch=N", "--epochs=N", "--steps=N", "--lr=X", "--momentum=X", "--seed=N", "--save=FILE", "--log=FILE", "--json",
                 "--profile", "--device=ID", "--budget=SIZE", "--tile=N", "NET DATA"):
        expect(word in t.run("train", "--help").out, f"{word} is not in the help of train")
    expect("NET [DATA]\n" in t.run("plan", "--help").out, "plan does not say that DATA may be left out")
    expect("an fma is two" in t.run("inspect", "--help").out, "inspect does not say what a FLOP is")
    expect("An earlier FILE is replaced" in " ".join(t.run("train", "--help").out.split()), "--save does not say that it replaces FILE")


@case("--version names library, commit, compiler and contract")
def _(t):
    expect(re.search(r"^tassello \d+\.\d+\.\d+\ncommit \S+, built by .+\narithmetic contract \d+\n\Z", t.run("--version").out),
           "not the version", t.run("--version"))


USAGE = [
    ("no subcommand", (), ("Usage: tassello COMMAND",)),
    ("an unknown subcommand", ("trian",), ("trian", "devices, inspect, plan, train, sweep, eval, verify")),
    ("an empty subcommand", ("",), ("devices, inspect, plan, train, sweep, eval, verify",)),
    ("an option before the subcommand", ("--json", "devices"), ("--json",)),
    ("an unknown option", ("train", "--bogus"), ("--bogus", "tassello train --help")),
    ("an unknown short option", ("train", "-z"), ("z", "tassello train --help")),
    ("inspect without NET", ("inspect",), ("NET is missing",)),
    ("plan without NET", ("plan",), ("NET is missing", "tassello plan --help")),
    ("an argument too many behind one that is optional", ("plan", "mlp", "data", "more"), ("more", "one argument too many")),
    ("plan --tile 0", ("plan", "mlp", "--tile", "0"), ("--tile 0", "whole number from 1")),
    ("train without NET", ("train",), ("NET is missing", "tassello train --help")),
    ("train without DATA", ("train", "mlp"), ("DATA is missing",)),
    ("eval without CHECKPOINT", ("eval",), ("CHECKPOINT is missing",)),
    ("one argument too many", ("train", "mlp", "data", "more"), ("more", "one argument too many")),
    ("devices takes no argument", ("devices", "pocl"), ("pocl", "one argument too many")),
    ("an option without its value", ("train", "mlp", "data", "--batch"), ("--batch",)),
    ("a value for a flag", ("devices", "--json=yes"), ("--json",)),
    ("an empty --device", ("devices", "--device", ""), ("--device",)),
    ("verify --all --device", ("verify", "--all", "--device", "reference"), ("--all and --device",)),
    ("verify --cases abc", ("verify", "--cases", "abc"), ("--cases abc", "whole number")),
    ("--arith quick names the words", ("train", "mlp", "data", "--arith", "quick"), ("--arith quick", "exact fast")),
]
for _name, _arguments, _texts in USAGE:
    def usage(t, arguments=_arguments, texts=_texts):
        result = t.run(*arguments, status=2)
        expect(result.out == "", "stdout is not empty", result)
        result.says(*texts)
    case(f"usage: {_name}: status 2")(usage)

BAD_VALUES = [
    (("--steps", "4", "--epochs", "2"), ("--epochs and --steps", "not both")),
    (("--batch", "0"), ("--batch 0", "whole number from 1")),
    (("--batch", "241"), ("241", "240 examples")),
    (("--batch", "abc"), ("--batch abc",)),
    (("--batch", "-4"), ("--batch -4",)),
    (("--batch", "16.5"), ("--batch 16.5",)),
    (("--batch", " 16"), ("--batch  16",)),
    (("--batch", "0x10"), ("--batch 0x10",)),
    (("--batch", "1e2"), ("--batch 1e2",)),
    (("--batch", ""), ("--batch",)),
    (("--batch", "4294967295"), ("4294967295", "240 examples")),
    (("--batch", "4294967312"), ("--batch 4294967312", "to 4294967295")),
    (("--batch", "99999999999999999999999"), ("--batch 99999999999999999999999",)),
    (("--steps", "-1"), ("--steps -1",)),
    (("--steps", "0"), ("--steps 0",)),
    (("--steps", "18446744073709551617"), ("--steps 18446744073709551617",)),
    (("--epochs", "0"), ("--epochs 0",)),
    (("--epochs", "4294967296"), ("--epochs 4294967296",)),
    (("--lr", "nan"), ("--lr nan", "finite number")),
    (("--lr", "+nan"), ("--lr +nan", "finite number")),
    (("--lr", "inf"), ("--lr inf", "finite number")),
    (("--lr", "+inf"), ("--lr +inf", "finite number")),
    (("--lr", "-1"), ("--lr -1", "0 or more")),
    (("--lr", "1e39"), ("--lr 1e39", "finite number")),
    (("--lr", "1e30"), ("lr 1e+30", "expected")),
    (("--lr", "0,1"), ("--lr 0,1",)),
    (("--lr", "0x1p-3"), ("--lr 0x1p-3",)),
    (("--lr", "0.1x"), ("--lr 0.1x",)),
    (("--lr", ""), ("--lr",)),
    (("--momentum", "2"), ("--momentum 2", "below 1")),
    (("--momentum", "1"), ("--momentum 1", "below 1")),
    (("--momentum", "-0.5"), ("--momentum -0.5",)),
    (("--momentum", "nan"), ("--momentum nan",)),
    (("--weight-decay", "-1"), ("--weight-decay -1",)),
    (("--nesterov", "--momentum", "0"), ("--nesterov", "momentum")),
    (("--optimizer", "adagrad"), ("--optimizer adagrad", "sgd adam adamw")),
    (("--optimizer", "adam", "--momentum", "0.9"), ("--momentum: expected --optimizer sgd",)),
    (("--optimizer", "adamw", "--momentum", "0"), ("--momentum: expected --optimizer sgd",)),
    (("--optimizer", "adam", "--nesterov"), ("--nesterov: expected --optimizer sgd",)),
    (("--beta1", "0.9"), ("--beta1: expected --optimizer adam",)),
    (("--beta2", "0.999", "--optimizer", "sgd"), ("--beta2: expected --optimizer adam",)),
    (("--epsilon", "1e-8"), ("--epsilon: expected --optimizer adam",)),
    (("--optimizer", "adam", "--beta1", "1"), ("--beta1 1", "below 1")),
    (("--optimizer", "adam", "--beta2", "-0.1"), ("--beta2 -0.1", "below 1")),
    (("--optimizer", "adam", "--beta2", "1e-30"), ("--beta2 1e-30", "1e-18 or more")),
    (("--optimizer", "adam", "--epsilon", "0"), ("--epsilon 0", "1e-18 or more")),
    (("--optimizer", "adam", "--epsilon", "1e-30"), ("--epsilon 1e-30", "1e-18 or more")),
    (("--optimizer", "adam", "--epsilon", "1e7"), ("--epsilon 1e+07", "at most 1e6")),
    (("--seed", "-1"), ("--seed -1",)),
    (("--seed", "1e3"), ("--seed 1e3",)),
    (("--seed", "18446744073709551616"), ("--seed 18446744073709551616",)),
    (("--tile", "0"), ("--tile 0", "whole number from 1")),
    (("--tile", "-1"), ("--tile -1",)),
    (("--budget", ""), ("--budget",)),
    (("--budget", "0"), ("--budget 0", "64M")),
    (("--save", ""), ("--save",)),
    (("--save", "x", "--log", "x"), ("--save and --log",)),
]
for _arguments, _texts in BAD_VALUES:
    def bad_value(t, arguments=_arguments, texts=_texts):
        folder = t.place()
        result = t.run("train", t.net, t.data, "--device", "reference", *arguments, status=2, cwd=folder).says(*texts)
        expect(not result.out.count("test "), "a result on stdout", result)
        expect(not leftovers(folder), f"left behind: {leftovers(folder)}", result)
    case(f"train {' '.join(_arguments)}: status 2")(bad_value)


# ----------------------------------------------------------------------------------------------------------- devices

@case("devices: a table for people, the reference in it")
def _(t):
    result = t.run("devices")
    expect(re.match(r"id +type +units +memory +tier +name\n", result.out), "no table", result)
    expect(re.search(r"^reference  reference ", result.out, re.M) and "exact" in result.out, "no reference", result)
    expect(result.err == "", "stderr is not empty", result)


@case("devices --json: one object on one line; without any driver the reference is the only row")
def _(t):
    rows = one_object(t.run("devices", "--json"))["devices"]
    expect([r["id"] for r in rows] == ["reference"], f"rows {rows}")
    for key in ("long_id", "name", "vendor", "driver", "type", "compute_units", "clock_mhz", "global_bytes", "local_bytes",
                "max_alloc_bytes", "align_bytes", "fma", "denormals", "fp16", "fp64", "tier", "note"):
        expect(key in rows[0], f"{key} is missing")


@case("devices: a driver that is no library leaves the reference")
def _(t):
    folder = t.place()
    (folder / "broken.icd").write_text("/nonexistent/libnothing.so\n")
    (folder / "text.icd").write_text(str(t.net) + "\n")
    rows = one_object(t.run("devices", "--json", env={"OCL_ICD_VENDORS": str(folder)}))["devices"]
    expect(rows[-1]["id"] == "reference", f"rows {rows}")


@case("devices --measure on the reference gives figures")
def _(t):
    row = one_object(t.run("devices", "--json", "--measure"))["devices"][-1]
    expect(row["fma_gflops"] > 0 and row["copy_gbytes_s"] > 0, f"{row}")


@case("an unknown device names those there are")
def _(t):
    t.fails(1, ("there is no device gpu0", "there are: reference"), "train", t.net, t.data, "--device", "gpu0")
    t.fails(1, ("there is no device gpu0", "there are: reference"), "eval", t.checkpoint(t.place() / "c"), t.data, "--device", "gpu0")
    t.fails(1, ("there is no device gpu0", "there are: reference"), "verify", "--device", "gpu0")
    t.fails(1, ("there is no device",), "train", t.net, t.data, "--device", "x" * 5000)


@case("no driver at all: the reference trains, which stderr says")
def _(t):
    result = t.train("--steps", "4", device=None).says("the C reference does the work")
    expect("device       reference" in result.out, "not the reference", result)
    expect(result.digest() == t.train("--steps", "4").digest(), "another digest")


# ------------------------------------------------------------------------------------------------------------- train

@case("train: the last two lines are the result; the same twice; another seed differs")
def _(t):
    first, second, other = (t.train("--epochs", "3", "--lr", "0.02", "--seed", s) for s in "778")
    expect(float(LAST.search(first.out)[1]) > 0.9, "it does not learn", first)
    expect(LAST.search(first.out).groups() == LAST.search(second.out).groups(), "another result", second)
    expect(first.digest() != other.digest(), "seed 8 gives seed 7's weights")
    expect("step" not in first.out.split("steps  ")[0].split("data  ")[1], "progress on stdout", first)
    first.says("step 45/45")


@case("train: the network, its parameters and the device are told before the result")
def _(t):
    out = t.train("--steps", "2").out
    for text in ("device       reference", "parameters   556", "240 examples to train, 80 to test", "peak memory",
                 "plan         tile 16 of 16 (1 tile), data set on the device, "):
        expect(text in out, f"no {text!r} in {out}")


@case("train --json: exactly one object on one line, with its keys")
def _(t):
    said = t.train("--steps", "5", "--json")
    o = one_object(said)
    text = t.train("--steps", "5")
    found = LAST.search(text.out)
    expect(f"{o['accuracy']:.4f}" == found[1] and f"{o['loss']:.4f}" == found[2] and o["weights_sha256"] == found[3],
           f"{o} is not what the lines say", text)
    expect(o["steps"] == 5 and o["device"] == "reference" and o["examples_per_s"] > 0 and o["peak_bytes"] > 0, f"{o}")
    expect(o["lr"] == 0.05 and o["momentum"] == 0.9, f"a setting is not what was given: {o}")
    expect(o["tile"] == 16 and o["tiles"] == 1 and o["resident"] is True and o["cuts"] == o["replays"] == 0, f"{o}")
    expect(o["forecast_bytes"] == o["peak_bytes"] < o["budget"], f"{o}")


def check_profile(t, device, **more):
    """The table stands between the peak and the result, the object has its keys, and the weights are the same."""
    plain = t.train("--steps", "20", device=device, **more)
    result = t.train("--steps", "20", "--profile", device=device, **more)
    expect(result.digest() == plain.digest(), "another digest", result)
    expect("profile" not in plain.out, "a profile that nobody asked for", plain)
    table = re.search(r"^peak memory .*\nprofile +\d+\.\d+ s on the device: .*\n +kernel +launches +seconds +share +bytes\n((?: .*\n)+)test accuracy",
                      result.out, re.M)
    expect(table and re.search(r"^ +sgd +20 +\d+\.\d+ +\d+\.\d %$", table[1], re.M), "no table, or in another place", result)
    o = one_object(t.train("--steps", "20", "--profile", "--json", device=device, **more))
    p = o["profile"]
    rows = {r["name"]: r for r in p["rows"]}
    expect(o["weights_sha256"] == plain.digest(), "another digest")
    expect(abs(p["wall_s"] - p["busy_s"] - p["gap_s"]) < 1e-6 and p["gap_s"] >= 0 and 0 < p["busy_s"], f"{p}")
    expect(p["wall_s"] <= o["seconds"] + 0.5, f"the start is in it: {p['wall_s']} s of {o['seconds']} s")
    expect(rows["sgd"]["launches"] == rows["sgd"]["timed"] == 20 and rows["sgd"]["bytes"] == 0, f"{rows['sgd']}")
    expect(rows["read"]["bytes"] > 0 and rows["write"]["bytes"] >= 240 * 4, f"{rows}")
    expect([r["seconds"] for r in p["rows"]] == sorted((r["seconds"] for r in p["rows"]), reverse=True), f"{p['rows']}")


@case("train --profile: a table before the result, a key in the object; the same weights")
def _(t):
    check_profile(t, "reference")


@case("train --profile of a run that fails, and of one that writes a log")
def _(t):
    folder = t.place()
    (folder / "n").write_text(NET.replace("relu", "dense 8") + "loss mse\n")
    t.train("--lr", "1e5", "--epochs", "9", "--profile", net=folder / "n", status=1).says("not finite")
    log = folder / "log"
    t.train("--steps", "2", "--profile", "--log", log)
    expect(json.loads(log.read_text().splitlines()[-1])["result"]["profile"]["rows"], "not in the log")


def check_noise(t, device, **more):
    """A line before the result, keys in the object and the log, memory as planned, and the same weights."""
    log = t.place() / "log"
    run = ("--steps", "96", "--momentum", "0")
    plain = t.train(*run, device=device, **more)
    result = t.train(*run, "--noise", device=device, **more)
    expect(result.digest() == plain.digest(), "another digest", result)
    expect("noise" not in plain.out, "noise that nobody asked for", plain)
    line = r"^peak memory .*\nnoise scale  (?:[\d.e+]+ examples \([\d.e+]+ to [\d.e+]+\)|at least [\d.e+]+ examples|not known yet), 6 steps measured\n +of the gradient.*\ntest "
    found = re.search(line, result.out, re.M)
    expect(found and "plain SGD" in found[0], "no line, or in another place", result)
    o = one_object(t.train(*run, "--noise", "--json", "--log", log, device=device, **more))
    n = o["noise"]
    expect(set(n) == {"state", "value", "low", "high", "steps"} and n["steps"] == 6, f"{n}")
    expect(n["state"] != "known" or n["low"] <= n["value"] <= n["high"], f"{n}")
    expect(o["peak_bytes"] == o["forecast_bytes"] > one_object(t.train(*run, "--json", device=device, **more))["peak_bytes"], f"{o}")
    expect(forecast(t, "--batch", "16", "--noise", device=device, **more)["bytes_total"] == o["peak_bytes"], "not as planned")
    steps = [json.loads(text) for text in log.read_text().splitlines()[1:-1]]
    expect([s["step"] for s in steps if "trace" in s and "square" in s] == [16, 32, 48, 64, 80, 96], f"{steps}")
    traces, squares = (sum(s.get(key, 0) for s in steps) for key in ("trace", "square"))
    expect(n["value"] is None if squares <= 0 else abs(n["value"] - traces / squares) < 1e-6 * abs(n["value"]), f"{n}, {traces / squares}")
    return o


@case("train --noise: a line before the result, keys in the object and the log; the same weights; memory as planned")
def _(t):
    check_noise(t, "reference")
    expect("not known yet, 0 steps measured" in t.train("--steps", "3", "--noise").out, "figures of no step")
    expect("tells nothing about which batch to take" in t.train("--steps", "3", "--noise", "--momentum", "0.9").out, "momentum is plain SGD")


@case("train: the defaults that the help states are those that are used")
def _(t):
    used = one_object(t.run("train", t.net, t.data, "--device", "reference", "--json"))
    stated = dict(re.findall(r"--([a-z-]+)=\w+ (?:(?!--)[^(])*?\(default\s+([0-9.]+)\)", t.run("train", "--help").out))
    for name in ("batch", "epochs", "lr", "momentum", "seed", "weight-decay"):
        expect(float(stated[name]) == used[name.replace("-", "_")], f"--{name}: {stated[name]}, but {used[name.replace('-', '_')]} is used")


ADAM = ("momentum", "nesterov", "beta1", "beta2", "epsilon", "weight_decay")


@case("train --optimizer: its settings in the line, the object, the log and the checkpoint; defaults; memory as planned")
def _(t):
    def told(*arguments):
        o = one_object(t.run("train", t.net, t.data, "--device", "reference", "--steps", "9", "--json", *arguments))
        return o["optimizer"], o["lr"], [o[key] for key in ADAM], o
    name, lr, settings, sgd = told()
    expect((name, lr, settings) == ("sgd", 0.02, [0.9, False, None, None, None, 0]), f"{sgd}")
    expect(told("--optimizer", "sgd")[3]["weights_sha256"] == sgd["weights_sha256"], "sgd is not the default")
    name, lr, settings, adam = told("--optimizer", "adam")
    expect((name, lr, settings) == ("adam", 0.001, [None, None, 0.9, 0.999, 1e-8, 0]), f"{adam}")
    name, lr, settings, adamw = told("--optimizer", "adamw", "--beta1", "0.8", "--beta2", "0", "--epsilon", "1e-3", "--weight-decay", "0.1", "--lr", "0.02")
    expect((name, lr, settings) == ("adamw", 0.02, [None, None, 0.8, 0, 1e-3, 0.1]), f"{adamw}")
    given = told("--optimizer", "adam", "--lr", "0.001", "--beta1", "0.9", "--beta2", "0.999", "--epsilon", "1e-8")[3]
    expect(given["weights_sha256"] == adam["weights_sha256"] != adamw["weights_sha256"], "digests")
    for o in (sgd, adam, adamw):
        plan = forecast(t, "--optimizer", o["optimizer"])
        expect(o["peak_bytes"] == o["forecast_bytes"] == plan["bytes_total"], f"{o} {plan}")
        expect(plan["parts"]["second state"] == (plan["parts"]["optimiser state"] if o is not sgd else 0), f"{plan}")
    folder = t.place()
    out = t.train("--steps", "9", "--optimizer", "adamw", "--weight-decay", "0.1", "--save", folder / "c", "--log", folder / "log").out
    settings = re.search(r"^settings     (.*)$", out, re.M)[1]
    expect("  adamw, betas 0.9 and 0.999, epsilon 1e-08  weight decay 0.1  seed" in settings and "momentum" not in settings, settings)
    expect(one_object(t.run("eval", folder / "c", t.data, "--device", "reference", "--json"))["training"] == settings, "the checkpoint says otherwise")
    log = [json.loads(line) for line in (folder / "log").read_text().splitlines()]
    expect(log[0]["run"]["optimizer"] == log[-1]["result"]["optimizer"] == "adamw", f"{log[0]}")


@case("train --optimizer adam, adamw on PoCL: the reference's digests, whatever the tile and the budget", needs="pocl")
def _(t):
    for optimizer in ("adam", "adamw"):
        run = ("--steps", "20", "--optimizer", optimizer, "--weight-decay", "0.01")
        plain = t.train(*run).digest()
        least = forecast(t, "--batch", "16", "--optimizer", optimizer, device="pocl", env=POCL)["min_budget"]
        for more in ((), ("--tile", "3"), ("--budget", str(least))):
            expect(t.train(*run, *more, device="pocl", env=POCL).digest() == plain, f"another digest with {optimizer} {more}")
        t.train(*run, "--budget", str(least - 1), device="pocl", env=POCL, status=1).says(str(least))


@case("train with loss mse prints `test loss L`, and null for the accuracy")
def _(t):
    net = t.place() / "mse"
    net.write_text(NET + "loss mse\n")
    result = t.train("--steps", "5", net=net)
    expect(LAST_MSE.search(result.out) and "accuracy" not in result.out, "not the result", result)
    expect(one_object(t.train("--steps", "5", "--json", net=net))["accuracy"] is None, "an accuracy")


@case("train --epochs and the same number of --steps end in the same weights")
def _(t):
    expect(t.train("--epochs", "2").digest() == t.train("--steps", "30").digest(), "digests differ")


@case("train: a batch of all examples, of 1, and one with a rest; lr 0 leaves the weights")
def _(t):
    digests = {t.train("--batch", b, "--steps", "2").digest() for b in ("240", "1", "7", "239")}
    expect(len(digests) == 4, f"{digests}")
    expect(t.train("--lr", "0", "--steps", "1").digest() == t.train("--lr", "0", "--steps", "9").digest(), "lr 0 moves weights")


@case("train --log: JSON lines, the run first, a line a step, the result last")
def _(t):
    log = t.place() / "log of this.jsonl"
    result = t.train("--epochs", "2", "--log", log)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    expect(list(lines[0]) == ["run"] and list(lines[-1]) == ["result"], f"{lines[0]} {lines[-1]}")
    expect([line["step"] for line in lines[1:-1]] == list(range(1, 31)), "not each step once")
    expect(lines[-1]["result"]["weights_sha256"] == result.digest(), "another digest", result)
    for key in ("budget", "tile", "tiles", "resident", "forecast_bytes"):
        expect(lines[0]["run"][key] == lines[-1]["result"][key], f"{key}: {lines[0]} {lines[-1]}")
    expect(all(isinstance(line["loss"], float) and line["lr"] == 0.05 for line in lines[1:-1]), "a step lacks its figures")


@case("train --save, then eval: the same figures; the file is as umask has it, and nothing else is left")
def _(t):
    folder = t.place()
    trained = t.train("--epochs", "2", "--save", folder / "a b.safetensors")
    expect(leftovers(folder) == ["a b.safetensors"], f"{leftovers(folder)}")
    mask = os.umask(0)
    os.umask(mask)
    expect((folder / "a b.safetensors").stat().st_mode & 0o777 == 0o666 & ~mask, "another mode than open() gives")
    evaluated = t.run("eval", folder / "a b.safetensors", t.data, "--device", "reference")
    expect(LAST.search(trained.out).groups() == LAST.search(evaluated.out).groups(), f"{trained}", evaluated)
    o = one_object(t.run("eval", folder / "a b.safetensors", t.data, "--device", "reference", "--json"))
    expect(o["weights_sha256"] == trained.digest() and o["examples"] == 80, f"{o}")


@case("train: .gz data give the same bits as plain")
def _(t):
    zipped = make_set(t.place() / "gz", suffix=".gz")
    expect(t.train("--steps", "5").digest() == t.train("--steps", "5", data=zipped).digest(), "digests differ")


@case("train: relative paths, a trailing slash, links, a read-only HOME, other locales")
def _(t):
    folder = t.place()
    (folder / "link").symlink_to(t.data)
    (folder / "net").symlink_to(t.net)
    plain = t.train("--steps", "5").digest()
    for net, data in (("net", "link"), ("./net", "link/"), ("../" + folder.name + "/net", "./link/.")):
        expect(t.run("train", net, data, "--device", "reference", "--batch", "16", "--lr", "0.05", "--steps", "5", cwd=folder).digest() == plain,
               f"{net} {data}")
    for env in ({"LC_ALL": "de_DE.UTF-8"}, {"LC_ALL": "tr_TR.UTF-8"}, {"HOME": "/proc"}, {"HOME": ""}, {"XDG_CACHE_HOME": "relative"}):
        result = t.train("--steps", "5", "--lr", "0.05", env=env)
        expect(result.digest() == plain, f"{env}", result)


@case("train on a terminal: one line that is written over, with the time left")
def _(t):
    ours, theirs = pty.openpty()
    child = t.start("train", t.net, t.data, "--device", "reference", "--epochs", "30", stderr=theirs)
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):
        while more := os.read(ours, 65536):
            seen += more
    out = child.communicate()[0].decode()
    os.close(ours)
    expect(child.returncode == 0 and LAST.search(out), f"status {child.returncode}, {out}")
    expect(b"\r" in seen and b"left" in seen and seen.endswith(b"\n"), f"{seen[-300:]}")


# ---------------------------------------------------------------------------------------------------------- the data

def cut(name, size):
    return lambda f: (f / name).write_bytes((f / name).read_bytes()[:size])


def put(name, data):
    return lambda f: (f / name).write_bytes(data)


def zipped(damage):
    def apply(f):
        path = f / "train-images-idx3-ubyte"
        data = gzip.compress(path.read_bytes(), 6)
        path.unlink()
        path.with_name(path.name + ".gz").write_bytes(damage(data))
    return apply


def replace_by_folder(name):
    def apply(f):
        (f / name).unlink()
        (f / name).mkdir()
    return apply


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
HEAD = struct.pack(">IIII", 0x0803, 240, 8, 8)
DAMAGES = [
    ("lacks a file", lambda f: (f / "t10k-labels-idx1-ubyte").unlink(), ("t10k-labels-idx1-ubyte", ".gz is there")),
    ("is empty", lambda f: [p.unlink() for p in f.iterdir()], (IMAGES, ".gz is there")),
    ("truncated images", cut(IMAGES, 5000), (IMAGES, "truncated", "5000 bytes, expected 15376")),
    ("truncated by one byte", cut(IMAGES, 15375), ("truncated", "15375")),
    ("cut within the header", cut(IMAGES, 9), (IMAGES, "ends within its header")),
    ("cut within the magic number", cut(IMAGES, 3), (IMAGES, "magic")),
    ("an empty file", cut(IMAGES, 0), (IMAGES, "magic")),
    ("wrong magic", put(IMAGES, b"\0\0\x0d\3" + HEAD[4:] + bytes(15360)), (IMAGES, "magic number 0x00000d03", "expected 0x00000803")),
    ("labels in place of images", lambda f: shutil.copy(f / LABELS, f / IMAGES), (IMAGES, "magic", "expected 0x00000803")),
    ("label and image counts differ", put(LABELS, struct.pack(">II", 0x0801, 239) + bytes(239)), ("240 images", "239 labels")),
    ("trailing garbage", lambda f: (f / IMAGES).open("ab").write(b"x"), (IMAGES, "trailing bytes", "15377")),
    ("a dimension of 0", put(IMAGES, struct.pack(">IIII", 0x0803, 240, 0, 8)), (IMAGES, "dimension 2 is 0")),
    ("no examples", put(IMAGES, struct.pack(">IIII", 0x0803, 0, 8, 8)), (IMAGES, "dimension 1 is 0")),
    ("a header that promises the world", put(IMAGES, struct.pack(">IIII", 0x0803, *[0xffffffff] * 3)), (IMAGES, "fit in memory")),
    ("a header that promises 4 GiB", put(IMAGES, struct.pack(">IIII", 0x0803, 1 << 16, 1 << 8, 1 << 8)), (IMAGES, "truncated")),
    ("gzip: a header that promises 1 TiB", lambda f: zipped(lambda d: gzip.compress(struct.pack(">IIII", 0x803, 1 << 20, 1 << 10, 1 << 10)))(f),
     ("truncated",)),
    ("gzip: damaged within", zipped(lambda d: d[:400] + bytes([d[400] ^ 255, d[401] ^ 255]) + d[402:]), (".gz", "damaged gzip data")),
    ("gzip: wrong checksum", zipped(lambda d: d[:-8] + bytes(4) + d[-4:]), (".gz", "damaged gzip data")),
    ("gzip: truncated", zipped(lambda d: d[:len(d) // 2]), (".gz", "damaged gzip data")),
    ("gzip: garbage behind", zipped(lambda d: gzip.compress(gzip.decompress(d) + b"x")), (".gz", "trailing bytes")),
    ("gzip: not gzip at all", zipped(lambda d: b"<html>404 Not Found</html>"), (".gz", "magic number 0x3c68746d")),
    ("a folder in place of a file", replace_by_folder(IMAGES), (IMAGES, "not a regular file")),
    ("a link to nowhere", lambda f: ((f / IMAGES).unlink(), (f / IMAGES).symlink_to("/nowhere")), (IMAGES,)),
    ("a named pipe in place of a file", lambda f: ((f / IMAGES).unlink(), os.mkfifo(f / IMAGES)), (IMAGES, "not a regular file")),
    ("a device in place of a file", lambda f: ((f / IMAGES).unlink(), (f / IMAGES).symlink_to("/dev/zero")), (IMAGES, "not a regular file")),
]
for _name, _damage, _texts in DAMAGES:
    def damaged(t, damage=_damage, texts=_texts):
        folder = t.place() / "d"
        shutil.copytree(t.data, folder)
        damage(folder)
        t.fails(1, (str(folder), *texts), "train", t.net, folder, "--device", "reference", timeout=20)
    case(f"data: {_name}: status 1, said with its path")(damaged)


@case("data: not there, not a folder, a folder without rights")
def _(t):
    t.fails(1, ("/no/such place", "No such file"), "train", t.net, "/no/such place", "--device", "reference")
    t.fails(1, (str(t.net), "not a folder"), "train", t.net, t.net, "--device", "reference")
    t.fails(1, ("No such file",), "train", t.net, "", "--device", "reference")
    t.fails(1, ("No such file", "ended"), "train", t.net, "x/" * 400 + "ended", "--device", "reference")
    t.fails(1, ("No such file",), "train", t.net, "x/" * 2040 + "ended", "--device", "reference")
    t.fails(1, (), "train", t.net, "x" * 100000, "--device", "reference")


@case("a batch larger than the data is found before the device is opened")
def _(t):
    t.fails(2, ("--batch 241", "240 examples"), "train", t.net, t.data, "--batch", "241", "--device", "none such")


@case("data: a test split that does not fit is found before training")
def _(t):
    for files in (make_set(t.place() / "d", size=9), make_set(t.place() / "d", classes=5)):
        data = t.place() / "d"
        shutil.copytree(t.data, data)
        for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
            shutil.copy(files / name, data / name)
        result = t.run("train", t.net, data, "--device", "reference", "--batch", "16", status=1)
        result.says("(test)")
        expect("step " not in result.err, "it trained first", result)


@case("data: 1 example, 1 class, 1x1 images")
def _(t):
    folder = t.place()
    one = make_set(folder / "one", train=1, test=1, classes=1, size=1)
    net = folder / "n"
    net.write_text("input 1\ndense 1\n")
    result = t.run("train", net, one, "--device", "reference", "--batch", "1", "--steps", "3")
    expect(LAST.search(result.out)[1] == "1.0000" and LAST.search(result.out)[2] == "0.0000", "one class is always right", result)
    t.run("train", net, one, "--device", "reference", status=2).says("batch 64", "1 examples")
    net.write_text("input 1x1x1 mean 0.5 std 0.25\ndense 3\ntanh\ndense 2\nloss mse\n")
    expect(LAST_MSE.search(t.run("train", net, one, "--device", "reference", "--batch", "1").out), "no result")


# ------------------------------------------------------------------------------------------------------- the network

NETWORKS = [
    ("an unknown layer", b"input 1x8x8\n# a comment\nconv 3\ndense 4\n", (":3:", "'conv' is no layer", "dense")),
    ("empty", b"", ("no layer", "input 1x28x28")),
    ("only comments", b"# nothing\n\n", ("no layer",)),
    ("no input first", b"dense 4\n", (":1:", "input")),
    ("two inputs", b"input 64\ninput 64\ndense 4\n", (":2:", "second input")),
    ("no parameters", b"input 64\nrelu\n", ("no layer has parameters",)),
    ("dense without a number", b"input 64\ndense\n", (":2:", "expected a number of outputs")),
    ("dense 0", b"input 64\ndense 0\n", (":2:", "'0'")),
    ("dense -3", b"input 64\ndense -3\n", (":2:", "'-3'")),
    ("dense 5x", b"input 64\ndense 5x\n", (":2:", "'5x'")),
    ("dense of too many", b"input 64\ndense 99999999999999999999\n", (":2:",)),
    ("more than 2^32 weights", b"input 64x64x64\ndense 16777216\n", (":2:", "more than 2^32")),
    ("a word too many", b"input 64\ndense 4 relu\n", (":2:", "'relu' is not expected", "dense N")),
    ("input of 4 sizes", b"input 1x2x3x4\ndense 4\n", (":1:", "1 to 3 sizes")),
    ("input of 0", b"input 1x0x8\ndense 4\n", (":1:",)),
    ("std 0", b"input 64 std 0\ndense 4\n", (":1:", "std")),
    ("mean nan", b"input 64 mean nan\ndense 4\n", (":1:", "nan")),
    ("leaky steep", b"input 64\ndense 4\nleaky steep\n", (":3:", "steep")),
    ("loss before the end", b"input 64\nloss mse\ndense 4\n", ("must be the last",)),
    ("an unknown loss", b"input 64\ndense 4\nloss hinge\n", (":3:", "'softmax' or 'mse'")),
    ("an unknown init", b"input 64\ndense 4 init xavier\n", (":2:", "'he' or 'glorot'")),
    ("a zero byte", b"input 64\ndense 4\0\n", ("zero byte",)),
    ("a very long word", b"input 64\n" + b"x" * 100000 + b"\n", (":2:", "is no layer")),
    ("a very long line of words", b"input 64\ndense 4 " + b"he " * 10000 + b"\n", (":2:",)),
    ("larger than a network can be", b"#" * (2 << 20), ("expected at most",)),
    ("5000 layers", b"input 64\n" + b"relu\n" * 5000 + b"dense 4\n", ("more than 4096 layers",)),
    ("a picture", bytes(range(1, 256)), (":1:", "is no layer")),
    ("does not fit the data: its input", b"input 1x28x28\ndense 4\n", ("takes 784 values", "has 64")),
    ("does not fit the data: too few outputs", b"input 64\ndense 3\n", ("has 3 outputs", "4 classes")),
    ("not UTF-8 (found before the work, as no checkpoint could hold it)", b"input 64 # gr\xfc\xdf\ndense 4\n", (":1:", "UTF-8")),
]
for _name, _text, _texts in NETWORKS:
    def bad_network(t, text=_text, texts=_texts):
        net = t.place() / "bad net"
        net.write_bytes(text)
        result = t.run("train", net, t.data, "--device", "reference", status=1).says(str(net), *texts)
        expect("test " not in result.out.replace("to test", ""), "a result", result)
        expect(len(result.err) < 2000 and result.err.count("\n") <= 2, "too many words", result)
    case(f"network: {_name}: status 1, said with file and line")(bad_network)


@case("network: not there, a folder, a pipe, a name that does not ship")
def _(t):
    t.fails(1, ("no net.txt", "No such file"), "train", "no net.txt", t.data)
    t.fails(1, ("'mpl'", "neither a file nor a network that ships", "mlp"), "train", "mpl", t.data)
    t.fails(1, (str(t.data), "not a regular file"), "train", t.data, t.data)
    t.fails(1, ("/dev/stdin", "not a regular file"), "train", "/dev/stdin", t.data, stdin=subprocess.PIPE)
    t.fails(1, (), "train", "", t.data)
    pipe = t.place() / "pipe.net"
    os.mkfifo(pipe)
    t.fails(1, ("pipe.net", "not a regular file"), "train", pipe, t.data, timeout=10)


@case("network: Windows line ends, no newline at the end, tabs, comments, a byte order mark; /dev/stdin from a file")
def _(t):
    net = t.place() / "n"
    plain = t.train("--steps", "3").digest()
    for text in (NET.replace("\n", "\r\n"), NET.rstrip("\n"), NET.replace(" ", "\t  ") + "\n\n", NET.replace("\n", " # x\n"), "# y\n" + NET,
                 "\ufeff" + NET.replace("\n", " # \u00fc \u20ac \U0001f9f5\n")):
        net.write_text(text, newline="", encoding="utf-8")
        expect(t.train("--steps", "3", net=net).digest() == plain, f"{text!r}")
    with net.open() as stream:
        expect(t.train("--steps", "3", net="/dev/stdin", stdin=stream).digest() == plain, "/dev/stdin")


@case("network: 300 layers train, are saved and evaluated")
def _(t):
    folder = t.place()
    (folder / "deep").write_text("input 64\n" + "dense 8 init glorot\ntanh\n" * 150 + "dense 4\n")
    trained = t.train("--steps", "2", "--save", folder / "s", net=folder / "deep")
    expect(t.run("eval", folder / "s", t.data, "--device", "reference").digest() == trained.digest(), "another digest")


@case("network: a path that is not UTF-8 can be trained, logged and saved")
def _(t):
    folder = os.fsencode(t.place())
    shutil.copy(t.net, folder + b"/gr\xfc\xdf")
    child = subprocess.run([t.program, "train", folder + b"/gr\xfc\xdf", str(t.data), "--device", "reference", "--steps", "2", "--json", "--save",
                            folder + b"/s\xfc", "--log", folder + b"/l\xfc"], env=t.environment, capture_output=True, check=False)
    result = Result(("train",), child.returncode, child.stdout, child.stderr, 0)
    expect(child.returncode == 0 and os.path.exists(folder + b"/s\xfc"), "not saved", result)
    one_object(result)
    raw = Path(os.fsdecode(folder + b"/s\xfc")).read_bytes()
    header = json.loads(raw[8:8 + struct.unpack("<Q", raw[:8])[0]])
    expect(header["__metadata__"]["tassello.name"] == "gr??", f"{header['__metadata__']}")


# -------------------------------------------------------------------------------------------------- writing that fails

@contextlib.contextmanager
def mounted(folder, *options):
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "none", folder], capture_output=True, check=False) \
        if os.geteuid() == 0 else None
    if not done or done.returncode:
        raise Skip("no right to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def no_training(result):
    expect("step " not in result.err and result.out == "", "it was found after the work", result)


@case("--save into a missing folder, onto a folder, below a file: status 1, before training")
def _(t):
    for path, text in (("/no/such/x", "No such file"), (t.data, "not a regular file"), (t.net / "x", "Not a directory"),
                       ("/dev/null", "not a regular file"), (t.root / ("x" * 300), "File name too long")):
        result = t.train("--save", path, status=1).says("--save", text)
        no_training(result)
        expect(str(path)[:250] in result.err, "the path is not named", result)


@case("--save into a folder without rights: status 1, before training")
def _(t):
    if os.geteuid():
        folder = t.place()
        folder.chmod(0o555)
        no_training(t.train("--save", folder / "x", status=1).says("--save", "Permission denied"))
        return
    with mounted(t.place() / "m", "ro") as folder:
        no_training(t.train("--save", folder / "x", status=1).says("--save", "Read-only file system"))


def full_disk(t, folder, more):
    """An older checkpoint outlives a save that fails, with nothing beside it."""
    old = t.checkpoint(folder / "c")
    before = old.read_bytes()
    large = t.place() / "large"
    large.write_text("input 64\ndense 500\nrelu\ndense 4\n")
    result = t.train("--steps", "2", "--save", old, net=large, status=1, **more).says(str(old), "cannot be written")
    expect(old.read_bytes() == before, "the older checkpoint was touched", result)
    expect(leftovers(folder) == ["c"], f"left behind: {leftovers(folder)}", result)
    expect(LAST.search(result.out), "the figures are lost, too", result)
    t.run("eval", old, t.data, "--device", "reference")
    return result


@case("--save on a full disk: status 1, the older checkpoint survives, nothing is left")
def _(t):
    with mounted(t.place() / "m", "size=64k") as folder:
        full_disk(t, folder, {}).says("No space left on device")


@case("--save beyond the limit of a file's size: the same")
def _(t):
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
    full_disk(t, t.place(), {"preexec_fn": limit, "restore_signals": False}).says("File too large")


@case("--log to /dev/full: status 1 and a message, and --save is written all the same")
def _(t):
    folder = t.place()
    result = t.train("--epochs", "2", "--log", "/dev/full", "--save", folder / "s", status=1).says("--log /dev/full", "No space left")
    expect(result.digest() == t.run("eval", folder / "s", t.data, "--device", "reference").digest(), "another digest", result)
    expect(result.err.count("--log /dev/full") == 1, "said more than once", result)


@case("--log into a missing folder, onto a folder: status 1, before training")
def _(t):
    no_training(t.train("--log", "/no/such/x", status=1).says("--log /no/such/x", "No such file"))
    no_training(t.train("--log", t.data, status=1).says("--log", "Is a directory"))


@case("--log is left as it was where NET, DATA, the batch or the budget is refused")
def _(t):
    log = t.place() / "l"
    log.write_text("an earlier run")
    t.train("--log", log, net=t.place() / "none", status=1)
    t.train("--log", log, data=t.place() / "none", status=1)
    t.train("--log", log, "--batch", "241", status=2)
    t.train("--log", log, "--budget", "1", status=1)
    expect(log.read_text() == "an earlier run", "the log was emptied")


@case("--save and --log onto the network, by any of its names: status 2, and it is left as it was")
def _(t):
    folder = t.place()
    net = folder / "net"
    net.write_text(NET)
    (folder / "link").symlink_to(net)
    (folder / "hard").hardlink_to(net)
    for name in ("net", "./net", "link", "hard"):
        for option in ("--save", "--log"):
            t.fails(2, (f"{option} {name}", "NET"), "train", net, t.data, "--device", "reference", option, name, cwd=folder)
    expect(net.read_text() == NET and leftovers(folder) == ["hard", "link", "net"], f"{leftovers(folder)}")
    (folder / "mlp").write_text("not the network that ships")
    t.fails(1, ("takes 784 values",), "train", "mlp", t.data, "--device", "reference", "--save", "mlp", cwd=folder)


@case("stdout to /dev/full: status 1 and a message")
def _(t):
    for words in (("train", t.net, t.data, "--device", "reference", "--batch", "16", "--json"), ("devices",), ("devices", "--json"),
                  ("inspect", "mlp"), ("inspect", "mlp", "--json"), ("plan", "mlp", "--device", "reference"),
                  ("--version",), ("--help",), ("verify", "--device", "reference", "--cases", "0", "--json", "-"), ("--man",)):
        with open("/dev/full", "w") as full:
            t.run(*words, status=1, stdout=full).says("standard output cannot be written", "No space left")


@case("closed stdin, stdout, stderr: no file takes their place")
def _(t):
    folder = t.place()
    words = ("train", t.net, t.data, "--device", "reference", "--steps", "3", "--log", folder / "l", "--save", folder / "s")
    t.run(*words, preexec_fn=lambda: os.closerange(0, 3), status=None)
    t.run(*words, preexec_fn=lambda: os.close(1), status=1).says("standard output cannot be written")
    for line in (folder / "l").read_text().splitlines():
        expect(line.startswith("{"), f"the log holds {line!r}")
    t.run(*words, preexec_fn=lambda: os.close(2), status=0)
    for line in (folder / "l").read_text().splitlines():
        expect(line.startswith("{"), f"the log holds {line!r}")
    t.run("eval", folder / "s", t.data, "--device", "reference")


@case("stdout closed early: ends quietly")
def _(t):
    for words in (("devices",), ("train", t.net, t.data, "--device", "reference", "--epochs", "3"), ("--help",)):
        child = t.start(*words)
        child.stdout.close()
        err = child.stderr.read().decode()
        child.wait(60)
        child.stderr.close()
        expect(child.returncode in (0, -signal.SIGPIPE), f"status {child.returncode}: {err}")
        expect(not CRASH.search(err) and "rror" not in err, f"not quiet: {err}")


# ---------------------------------------------------------------------------------------------------------- the run

@case("a loss that is no longer finite: status 1, the step and the tensor, --save not written")
def _(t):
    folder = t.place()
    old = t.checkpoint(folder / "s")
    before = old.read_bytes()
    (folder / "n").write_text(NET.replace("relu", "dense 8") + "loss mse\n")
    settings = ("--lr", "1e5", "--epochs", "9")
    result = t.train(*settings, "--save", old, "--log", folder / "l", net=folder / "n", status=1)
    found = re.search(r"step (\d+)\D.*?(\d+\.\w+[.\w]*)", result.err.split("tassello train:")[1])
    expect(found, "no step and tensor", result)
    result.says("not finite", "not written")
    expect(not LAST.search(result.out) and "sha256" not in result.out, "a result", result)
    expect(old.read_bytes() == before and leftovers(folder) == ["l", "n", "s"], "--save was touched", result)
    last = json.loads((folder / "l").read_text().splitlines()[-1])["result"]
    expect(str(last["bad_step"]) == found[1] and last["bad_tensor"] in result.err, f"{last}", result)
    again = t.train(*settings, net=folder / "n", status=1)
    expect(again.err.split("tassello train:")[1] == result.err.split("tassello train:")[1], "another step or tensor", again)


@case("a run that ends just before or after its loss is lost never prints nan with status 0")
def _(t):
    net = t.place() / "n"
    net.write_text("input 64\n" + "dense 8\n" * 6 + "dense 4\nloss mse\n")
    ends = set()
    for lr, steps in [("1e-3", 1)] + [("1e5", steps) for steps in range(1, 5)]:
        save = t.place() / "s"
        result = t.train("--lr", lr, "--momentum", "0", "--steps", steps, "--save", save, net=net, status=None)
        if result.status == 0:
            expect(not re.search(r"loss -?(nan|inf)", result.out), "not finite, and status 0", result)
            t.run("eval", save, t.data, "--device", "reference")
            ends.add("whole")
        else:
            ends.add("test" if "test loss" in result.out else "step")
            expect(result.status == 1 and save.exists() == ("test loss" in result.out), "not saved, or saved what is no result", result)
            result.says("finite")
    expect(ends == {"whole", "test", "step"}, f"not each way to end was seen: {ends}")


def begin_long(t, *arguments, **more):
    """A training that does not end, after its first line of progress."""
    child = t.start("train", t.net, t.data, "--device", "reference", "--batch", "240", "--lr", "0.05", "--epochs", "1000000000", *arguments, **more)
    for line in child.stderr:
        if line.startswith(b"step "):
            return child
    raise AssertionError(f"it ended: {child.wait()}")


def interrupt(t, number, *arguments):
    folder = t.place()
    child = begin_long(t, "--save", folder / "s", "--log", folder / "l", *arguments)
    child.send_signal(number)
    out, err = child.communicate(timeout=30)
    result = Result(("train", "..."), child.returncode, out, err, 0)
    expect(child.returncode == 130, f"status {child.returncode}, expected 130", result)
    result.says("interrupted after step", str(folder / "s"))
    expect(leftovers(folder) == ["l", "s"], f"{leftovers(folder)}", result)
    lines = [json.loads(line) for line in (folder / "l").read_text().splitlines()]
    steps = int(re.search(r"interrupted after step (\d+)", result.err)[1])
    expect(lines[-1]["result"]["interrupted"] and lines[-1]["result"]["steps"] == steps == lines[-2]["step"], f"{lines[-2:]}", result)
    digest = t.run("eval", folder / "s", t.data, "--device", "reference").digest()
    return result, digest


@case("SIGINT: the step is finished, --save is written and can be evaluated, status 130")
def _(t):
    result, digest = interrupt(t, signal.SIGINT)
    expect(result.out.endswith(f"weights sha256 {digest}\n") and "accuracy" not in result.out, "another digest", result)


@case("SIGTERM: the same; with --json one object that says so")
def _(t):
    result, digest = interrupt(t, signal.SIGTERM, "--json")
    o = one_object(result)
    expect(o["interrupted"] is True and o["weights_sha256"] == digest and o["accuracy"] is None, f"{o}")


@case("an interrupted run has the weights of a run of so many steps")
def _(t):
    result, digest = interrupt(t, signal.SIGINT)
    steps = re.search(r"interrupted after step (\d+)", result.err)[1]
    if int(steps) > 100000:
        raise Skip("too many steps to do again")
    expect(t.train("--batch", "240", "--steps", steps).digest() == digest, f"{steps} steps give other weights", result)


@case("SIGINT that the parent ignores stays ignored; SIGTERM then ends the run")
def _(t):
    child = begin_long(t, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    for _ in range(2):
        child.send_signal(signal.SIGINT)
        time.sleep(0.1)
    expect(child.poll() is None, f"it ended with {child.returncode}")
    child.send_signal(signal.SIGTERM)
    err = child.communicate(timeout=30)[1].decode()
    expect(child.returncode == 130 and "interrupted after step" in err, f"status {child.returncode}: {err}")


@case("progress: thousands of epochs are a line a second, and the last one")
def _(t):
    result = t.train("--epochs", "4000", "--batch", "240").says("step 4000/4000  epoch 4000/4000")
    expect(result.err.count("\n") <= result.seconds + 2, "too many lines", result)


@case("a second SIGINT quits at once, without --save")
def _(t):
    folder = t.place()
    (folder / "large").write_text("input 64\ndense 3000\nrelu\ndense 3000\nrelu\ndense 3000\nrelu\ndense 4\n")
    child = t.start("train", folder / "large", t.data, "--device", "reference", "--batch", "240", "--save", folder / "s")
    while line := child.stdout.readline():  # the head is printed when training begins
        if line.startswith(b"settings"):
            break
    time.sleep(0.3)
    child.send_signal(signal.SIGINT)
    time.sleep(0.2)
    expect(child.poll() is None, "the first quits at once")
    child.send_signal(signal.SIGINT)
    begin = time.monotonic()
    err = child.communicate(timeout=30)[1].decode()
    expect(child.returncode == 130 and "interrupted" not in err, f"status {child.returncode}: {err}")
    expect(time.monotonic() - begin < 1, "not at once")
    expect(leftovers(folder) == ["large"], f"{leftovers(folder)}")


@case("SIGINT while the test split is measured quits at once, after --save")
def _(t):
    folder = t.place()
    (folder / "large").write_text("input 64\ndense 3000\nrelu\ndense 3000\nrelu\ndense 4\n")
    data = make_set(folder / "d", test=6000)
    child = t.start("train", folder / "large", data, "--device", "reference", "--batch", "1", "--steps", "1", "--save", folder / "s")
    for line in child.stderr:
        if line.startswith(b"step 1/1"):
            break
    while not (folder / "s").exists():
        time.sleep(0.01)
    time.sleep(0.1)
    expect(child.poll() is None, "it has ended before")
    child.send_signal(signal.SIGINT)
    begin = time.monotonic()
    err = child.communicate(timeout=30)[1].decode()
    expect(child.returncode == 130 and time.monotonic() - begin < 1, f"status {child.returncode}, {time.monotonic() - begin:.1f} s: {err}")
    expect(leftovers(folder, "large", "d") == ["s"], f"{leftovers(folder)}")


@case("SIGINT while nothing is trained yet quits at once")
def _(t):
    folder = t.place() / "d"
    shutil.copytree(t.data, folder)
    child = t.start("verify", "--device", "reference", "--cases", "100000")
    time.sleep(0.3)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=10)
    expect(child.returncode == 130, f"status {child.returncode}")


@case("two trainings into one --save file at once leave one whole checkpoint")
def _(t):
    folder = t.place()
    children = [t.start("train", t.net, t.data, "--device", "reference", "--batch", "16", "--steps", "9", "--seed", s, "--save", folder / "s")
                for s in (1, 2, 3)]
    digests = [LAST.search(c.communicate(timeout=60)[0].decode())[3] for c in children]
    expect(t.run("eval", folder / "s", t.data, "--device", "reference").digest() in digests, "a mixture")
    expect(leftovers(folder) == ["s"], f"{leftovers(folder)}")


@case("little memory: a message and status 1, or it works; never a crash")
def _(t):
    if t.sanitized:
        raise Skip("a sanitizer needs address space")
    net = t.place() / "n"
    net.write_text("input 64\ndense 3000\nrelu\ndense 3000\nrelu\ndense 4\n")
    seen = set()
    for megabytes in (24, 48, 64, 96, 128, 144, 160, 192, 256):
        limit = lambda m=megabytes: resource.setrlimit(resource.RLIMIT_AS, (m << 20, m << 20))
        result = t.train("--steps", "1", "--batch", "4", net=net, status=None, preexec_fn=limit)
        if result.status == 127 or "error while loading" in result.err:
            continue
        expect(result.status in (0, 1), f"{megabytes} MiB", result)
        expect(result.status == 0 or "memory" in result.err, f"{megabytes} MiB: no word of memory", result)
        seen.add(result.status)
    expect(1 in seen, "no limit was tight enough")


# ------------------------------------------------------------------------------------------------ inspect, plan, budget

LENET_LAYERS = [  # kind, output, parameters, products and convolutions forward (each fma once)
    ("input", (1, 28, 28), 0, 0), ("conv2d", (20, 24, 24), 20 * 25 + 20, 24 * 24 * 25 * 20), ("relu", (20, 24, 24), 0, 0),
    ("max_pool", (20, 12, 12), 0, 0), ("conv2d", (50, 8, 8), 50 * 20 * 25 + 50, 8 * 8 * 20 * 25 * 50), ("relu", (50, 8, 8), 0, 0),
    ("max_pool", (50, 4, 4), 0, 0), ("flatten", (800, 1, 1), 0, 0), ("dense", (500, 1, 1), 800 * 500 + 500, 800 * 500),
    ("relu", (500, 1, 1), 0, 0), ("dense", (10, 1, 1), 500 * 10 + 10, 500 * 10), ("loss", (10, 1, 1), 0, 0)]


@case("inspect lenet: shapes, parameters, bytes and FLOPs as reckoned by hand")
def _(t):
    o = one_object(t.run("inspect", "lenet", "--json"))
    expect(len(o["layers"]) == len(LENET_LAYERS), f"{o}")
    for i, (row, (kind, out, parameters, products)) in enumerate(zip(o["layers"], LENET_LAYERS)):
        # training adds the gradient of the weights and, but for the first layer with parameters, that of the inputs
        wanted = {"layer": kind, "out": list(out), "in": list(LENET_LAYERS[i - 1][1]) if i else None, "parameters": parameters,
                  "parameter_bytes": 4 * parameters, "value_bytes": 4 * out[0] * out[1] * out[2], "forward_flops": 2 * products,
                  "train_flops": 2 * products * (2 if i == 1 else 3)}
        expect(row == wanted, f"layer {i}: {row}, expected {wanted}")
    expect(o["parameters"] == 431080 and o["forward_flops"] == 2 * (576 * 25 * 20 + 64 * 500 * 50 + 800 * 500 + 500 * 10), f"{o}")
    text = t.run("inspect", "lenet")
    for line in (r" 1 +conv2d +1x28x28 +20x24x24 +520 +46080 +576000 +1152000\n", r"parameters   431080, 1\.6 MiB\n",
                 r"4\.586 MFLOPs forward, 13\.182 in training\n\Z"):
        expect(re.search(line, text.out), f"no {line}", text)


@case("inspect: taps in the padding, strides, dilation and groups are counted; pools and dropout are not")
def _(t):
    net = t.place() / "n"
    net.write_text("input 4x9x7\nconv2d 6 3x5 stride 2 padding 2 groups 2\navg_pool 2\ndropout 0.5\nconv2d 4 3 dilation 2 padding 2\n"
                   "global_avg_pool\ndense 3 init glorot\nloss mse\n")
    o = one_object(t.run("inspect", net, "--json"))
    rows = {row["layer"]: row for row in o["layers"]}
    first = o["layers"][1]
    expect(first["out"] == [6, 6, 4] and first["parameters"] == 6 * 2 * 15 + 6 and first["forward_flops"] == 2 * 6 * 4 * 6 * 2 * 15, f"{first}")
    expect(o["layers"][4]["forward_flops"] == 2 * 3 * 2 * 4 * 6 * 9, f"{o['layers'][4]}")
    expect(rows["avg_pool"]["forward_flops"] == rows["dropout"]["train_flops"] == rows["global_avg_pool"]["forward_flops"] == 0, f"{rows}")


@case("inspect: a checkpoint is shown as its network; what is neither is an error")
def _(t):
    folder = t.place()
    saved, plain = t.checkpoint(folder / "c"), one_object(t.run("inspect", t.net, "--json"))
    shown = one_object(t.run("inspect", saved, "--json"))
    expect({**shown, "network": plain["network"]} == plain and plain["parameters"] == 556, f"{shown} {plain}")
    saved.write_bytes(saved.read_bytes()[:-1])
    t.fails(1, (str(saved), "truncated"), "inspect", saved)
    t.fails(1, ("'mpl'", "neither a file nor a network that ships"), "inspect", "mpl")
    t.fails(1, (str(t.data), "not a regular file"), "inspect", t.data)
    os.mkfifo(folder / "pipe")
    t.fails(1, ("pipe", "not a regular file"), "inspect", folder / "pipe", timeout=10)
    (folder / "n").write_text("input 64\nfoo\n")
    t.fails(1, (":2:", "'foo' is no layer"), "inspect", folder / "n")


def forecast(t, *arguments, net=None, data=True, device="reference", **more):
    where = [t.data] if data is True else [data] if data else []
    return one_object(t.run("plan", net or t.net, *where, "--device", device, "--json", *arguments, **more))


@case("plan: parts that add up, a table within the same budget; without DATA a streamed set")
def _(t):
    for data in (True, False):
        o = forecast(t, "--batch", "48", data=data)
        expect(sum(o["parts"].values()) == o["bytes_total"] and o["min_budget"] <= o["bytes_total"] <= o["budget"], f"{o}")
        expect(o["batch"] == o["tile"] == 48 and o["tiles"] == 1 and o["resident"] is data, f"{o}")
        expect((o["parts"]["data set"] > 0) is data and (o["parts"]["staging"] == 0) is data, f"{o}")
        expect(o["bytes_fixed"] < o["bytes_total"] <= o["bytes_fixed"] + 48 * o["bytes_per_example"], f"{o}")
        sizes = [1, 8, 32, 64, 128, *([240] if data else [256, 512, 1024, 4096])]
        expect([row["batch"] for row in o["table"]] == sizes and o["largest_untiled"] == (240 if data else 65520), f"{o}")
        for row in o["table"]:
            other = forecast(t, "--batch", str(row["batch"]), data=data)
            expect(all(other[key] == row[key] for key in ("tile", "tiles", "resident", "min_budget")), f"{row} {other}")
            expect(other["bytes_total"] == row["bytes"], f"{row} {other}")
    text = t.run("plan", t.net, t.data, "--device", "reference", "--batch", "48").out
    total = forecast(t, "--batch", "48")["bytes_total"]
    for line in (r"^plan         tile 48 of 48 \(1 tile\), data set on the device$", rf"^memory       .* \({total} bytes\)$",
                 r"^ +parameters +.*\d %", r"^ +240 .*  240 +1  on the device +\d+$"):
        expect(re.search(line, text, re.M), f"no {line} in {text}")
    expect("none given" in t.run("plan", t.net, "--device", "reference").out, "it does not say that no data are given")


@case("plan: --budget and --tile cut; a row that does not fit is empty; too small a budget is an error with the least")
def _(t):
    least = forecast(t, "--batch", "32")["min_budget"]
    o = forecast(t, "--batch", "32", "--budget", str(least))
    expect(o["bytes_total"] == o["budget"] == least and o["tiles"] > 1 and not o["resident"], f"{o}")
    last = o["table"][-1]
    expect(last["batch"] == 240 and last["tile"] is None and last["bytes"] is None and last["min_budget"] > least, f"{last}")
    text = t.run("plan", t.net, t.data, "--device", "reference", "--budget", str(least), "--batch", "32")
    expect(re.search(r"^ +240 +none +- +- +- +\d+$", text.out, re.M), "the text does not show it", text)
    for flag in ((), ("--json",)):
        t.fails(1, ("budget", str(least)), "plan", t.net, t.data, "--device", "reference", "--batch", "32", "--budget", str(least - 1), *flag)
    o = forecast(t, "--batch", "32", "--tile", "7")
    expect(o["tile"] <= 7 and o["tiles"] == -(-32 // o["tile"]), f"{o}")


@case("plan: NET, DATA and the batch are checked as train does, before the device")
def _(t):
    t.fails(1, ("'mpl'",), "plan", "mpl")
    t.fails(1, ("/no/data", "No such file"), "plan", t.net, "/no/data", "--device", "none such")
    t.fails(1, ("takes 784 values", "has 64"), "plan", "mlp", t.data, "--device", "none such")
    t.fails(2, ("--batch 241", "240 examples"), "plan", t.net, t.data, "--batch", "241", "--device", "none such")
    t.fails(1, ("there is no device none such",), "plan", t.net, "--device", "none such")
    t.fails(2, ("batch 16777217",), "plan", t.net, "--batch", "16777217", "--device", "reference")


@case("--budget: bytes, K, M, G and shares of the device's memory")
def _(t):
    memory = one_object(t.run("devices", "--json"))["devices"][-1]["global_bytes"]
    for text, wanted in (("1048576", 1 << 20), ("1024K", 1 << 20), ("1M", 1 << 20), ("0.5M", 1 << 19), (".5M", 1 << 19),
                         ("1.5G", 3 << 29), ("007M", 7 << 20), ("100%", memory), ("25%", memory // 4),
                         ("12.5%", memory // 8), ("100.0%", memory), ("9223372036854775807", (1 << 63) - 1),
                         ("1000000000G", 1000000000 << 30)):
        for locale in ("C", "de_DE.UTF-8"):
            found = forecast(t, "--budget", text, env={"LC_ALL": locale})["budget"]
            expect(found == wanted, f"--budget {text}: {found}, expected {wanted}")


@case("--budget: what is no size is wrong usage, in each command that takes one")
def _(t):
    for text in ("0", "00", "-1", "-64M", "+1M", "64m", "64MB", "64MiB", "1T", "M", "%", "0%", "0.0%", "0M", "0.0001K", "101%", "100.1%",
                 "-5%", "5%%", "1e3", "1e3M", "0x10", "0x10M", "1.5", "1.", ".", ".M", "1..5G", "1.2.3M", "1,5G", " 64M",
                 "64M ", "64 M", "nan", "nan%", "inf", "infM", "9223372036854775808", "8589934592G", "9" * 400 + "G", "9" * 30, "a" * 5000):
        for words in (("train", t.net, t.data), ("plan", t.net), ("eval", "c", t.data)):
            t.fails(2, (f"--budget {text}: expected bytes", "64M", "--help"), *words, "--budget", text)


def large_set(t, folder):
    """What mlp and lenet take."""
    return make_set(folder / "d28", train=90, test=20, size=28, classes=10)


def sweep(t, net, data, device, env, count):
    """Budgets from the least on: the forecast is what train takes, to the byte, and the weights do not know of it."""
    words = {"net": net, "data": data, "device": device, "env": env}
    whole, least = (forecast(t, "--batch", "24", *more, **words) for more in ((), ("--tile", "1")))
    least = min(whole["min_budget"], least["min_budget"])
    seen, digests = set(), set()
    for i in range(-1, count + 1):
        budget = least + (whole["bytes_total"] - least) * max(i, 0) // count + (i == -1)
        plan = forecast(t, "--batch", "24", "--budget", str(budget), **words)
        o = one_object(t.train("--batch", "24", "--steps", "2", "--budget", str(budget), "--json", **words))
        told = (plan["bytes_total"], plan["tile"], plan["tiles"], plan["resident"])
        expect((o["forecast_bytes"], o["tile"], o["tiles"], o["resident"]) == told, f"plan says {plan}, train {o}")
        expect(o["peak_bytes"] == o["forecast_bytes"] <= budget, f"{o['peak_bytes']} bytes were taken, {plan} forecast")
        seen.add((plan["tile"], plan["resident"]))
        digests.add((o["weights_sha256"], o["loss"], o["accuracy"]))
    expect(len(digests) == 1, f"the results differ with the budget: {digests}")
    expect({resident for _, resident in seen} == {True, False} and len(seen) > 3, f"not each kind of plan was seen: {seen}")
    return least, digests.pop()[0]


def too_small(t, net, data, device, env, least):
    """The least budget does, and a byte less does not; then nothing is written."""
    folder = t.place()
    words = ("--batch", "24", "--steps", "2", "--save", folder / "s", "--log", folder / "l")
    more = {"net": net, "data": data, "device": device, "env": env}
    result = t.train(*words, "--budget", str(least - 1), status=1, **more).says("budget", f" {least}")
    expect(result.out == "" and not leftovers(folder), f"left behind: {leftovers(folder)}", result)
    t.train(*words, "--budget", str(least), **more)
    expect(leftovers(folder) == ["l", "s"], f"{leftovers(folder)}")


for _net, _count in (("mlp", 6), ("lenet", 4)):
    def budgets(t, net=_net, count=_count):
        data = large_set(t, t.place())
        least, digest = sweep(t, net, data, "reference", None, count)
        too_small(t, net, data, "reference", None, least)
        for tile in ("1", "7"):
            o = one_object(t.train("--batch", "24", "--steps", "2", "--tile", tile, "--json", net=net, data=data))
            expect(o["tile"] <= int(tile) and o["weights_sha256"] == digest and o["peak_bytes"] == o["forecast_bytes"], f"{o}")
    case(f"--budget, {_net} on the reference: forecast and peak agree, the bits stay, the least is the least")(budgets)


@case("eval --budget: the least that it names does, a byte less does not, and the figures stay")
def _(t):
    path = t.checkpoint(t.place() / "c")
    words = ("eval", path, t.data, "--device", "reference", "--json")
    plain = one_object(t.run(*words))
    del plain["peak_bytes"]
    least = int(re.search(r"at least (\d+)", t.fails(1, ("1 bytes",), *words, "--budget", "1").err)[1])
    t.fails(1, (f" {least}",), *words, "--budget", str(least - 1))
    for budget in (str(least), str(least + 3000), "1%", "100%"):
        o = one_object(t.run(*words, "--budget", budget))
        peak = o.pop("peak_bytes")
        expect(o == plain, f"--budget {budget}: {o}, not {plain}")
        expect(peak == least if budget == str(least) else peak > least, f"--budget {budget}: {peak} bytes")
        expect("%" in budget or peak <= int(budget), f"--budget {budget}: {peak} bytes")


@case("an evaluation that needs more than training does is in the forecast, in the least budget and in the peak")
def _(t):
    folder = t.place()
    (folder / "n").write_text("input 1\ndense 1\n")
    where = {"net": folder / "n", "data": make_set(folder / "d", train=4, test=600, classes=1, size=1)}
    plan = forecast(t, "--batch", "1", **where)
    expect(plan["parts"]["evaluation"] > 0 and plan["min_budget"] == plan["bytes_total"], f"{plan}")
    for budget in ([], ["--budget", str(plan["min_budget"])]):
        o = one_object(t.train("--batch", "1", "--steps", "2", "--json", *budget, **where))
        expect(o["peak_bytes"] == o["forecast_bytes"] == plan["bytes_total"], f"{o}")
    t.train("--batch", "1", "--budget", str(plan["min_budget"] - 1), status=1, **where).says(str(plan["min_budget"]))


SCHEDULE = ("lr", "lr_scaling", "base_batch", "lr_scaled", "schedule", "warmup", "decay_steps", "decay", "lr_end")


def rates(t, *arguments):
    """The lr of each step of a run of 20, and what its result says."""
    log = t.place() / "log"
    t.train("--steps", "20", "--log", log, *arguments)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    expect(all(lines[0]["run"][key] == lines[-1]["result"][key] for key in SCHEDULE), f"{lines[0]} {lines[-1]}")
    return [line["lr"] for line in lines[1:-1]], lines[0]["run"]


def near(found, wanted):
    return len(found) == len(wanted) and all(abs(f - w) <= 1e-6 * abs(w) for f, w in zip(found, wanted))


@case("train --schedule, --warmup, --lr-scaling: each step's rate, the settings, the object and the checkpoint tell of them")
def _(t):
    found, run = rates(t)
    expect(found == [0.05] * 20 and run["schedule"] == "constant" and run["lr_scaled"] == run["lr"] == 0.05, f"{found} {run}")
    expect(all(run[key] is None for key in ("base_batch", "decay_steps", "decay", "lr_end")) and run["warmup"] == 0, f"{run}")
    found, run = rates(t, "--warmup", "5")
    expect(near(found, [0.01, 0.02, 0.03, 0.04] + [0.05] * 16) and run["warmup"] == 5, f"{found}")
    found, run = rates(t, "--schedule", "step", "--decay-steps", "6", "--decay", "0.5", "--warmup", "2", "--lr", "0.08")
    expect(near(found, [0.04, 0.08] + [0.08] * 6 + [0.04] * 6 + [0.02] * 6), f"{found}")
    expect(run["schedule"] == "step" and run["decay_steps"] == 6 and run["decay"] == 0.5 and run["lr_end"] is None, f"{run}")
    found, run = rates(t, "--schedule", "step", "--decay-steps", "15")
    expect(near(found, [0.05] * 15 + [0.005] * 5), f"the decay's default: {found}")
    found, run = rates(t, "--schedule", "cosine", "--lr-end", "0.01", "--lr", "0.05")
    expect(near([found[0], found[5], found[10], found[15]], [0.05, 0.03 + 0.02 * 0.5 ** 0.5, 0.03, 0.03 - 0.02 * 0.5 ** 0.5]), f"{found}")
    expect(all(a > b > 0.01 for a, b in zip(found, found[1:])) and run["lr_end"] == 0.01, f"{found} {run}")
    found, run = rates(t, "--lr-scaling", "linear")
    expect(near(found, [0.0125] * 20) and run["lr"] == 0.05 and run["lr_scaled"] == 0.0125 and run["base_batch"] == 64, f"{found} {run}")
    found, run = rates(t, "--lr-scaling", "sqrt", "--base-batch", "4", "--schedule", "cosine", "--lr-end", "0.05")
    expect(near(found, [0.1] * 20) and run["lr_scaling"] == "sqrt" and run["base_batch"] == 4, f"{found} {run}")

    folder = t.place()
    arguments = ("--steps", "20", "--lr-scaling", "linear", "--base-batch", "8", "--warmup", "3", "--schedule", "step", "--decay-steps", "9")
    out = t.train(*arguments, "--save", folder / "c").out
    settings = re.search(r"^settings     (.*)$", out, re.M)[1]
    expect(settings.startswith("batch 16 lr 0.05 (0.1: linear scaling from a batch of 8)  warm-up 3  schedule step: times 0.1 every 9  momentum"), settings)
    expect(one_object(t.run("eval", folder / "c", t.data, "--device", "reference", "--json"))["training"] == settings, "the checkpoint says otherwise")
    out = t.train("--steps", "1", "--schedule", "cosine").out
    expect("  schedule cosine: to 0  momentum" in out, out)
    expect("schedule" not in t.train("--steps", "1").out, "a schedule that nobody asked for")


@case("train: --steps and --epochs give one course; a schedule changes the weights, its last step alone too")
def _(t):
    cosine = ("--schedule", "cosine", "--warmup", "4")
    expect(t.train("--epochs", "2", *cosine).digest() == t.train("--steps", "30", *cosine).digest(), "digests differ")
    expect(t.train("--epochs", "2", *cosine).digest() != t.train("--epochs", "2").digest(), "the schedule is not used")
    late = ("--schedule", "step", "--decay-steps")
    expect(t.train("--steps", "30", *late, "29").digest() != t.train("--steps", "30").digest(), "the last step")
    expect(t.train("--steps", "30", *late, "30").digest() == t.train("--steps", "30").digest(), "no step")


@case("train: what does not go together is wrong usage, and is found before the log is opened")
def _(t):
    log = t.place() / "log"
    log.write_text("mine")
    for texts, *arguments in (
            (("--decay: expected --schedule step",), "--decay", "0.5"),
            (("--decay: expected --schedule step",), "--decay", "0", "--schedule", "cosine"),
            (("--decay-steps: expected --schedule step",), "--decay-steps", "5"),
            (("--schedule step: expected --decay-steps",), "--schedule", "step"),
            (("--lr-end: expected --schedule cosine",), "--lr-end", "0"),
            (("--lr-end: expected --schedule cosine",), "--lr-end", "0.1", "--schedule", "step", "--decay-steps", "3"),
            (("--base-batch: expected --lr-scaling",), "--base-batch", "32"),
            (("--base-batch: expected --lr-scaling",), "--base-batch", "32", "--lr-scaling", "none"),
            (("--schedule line: expected one of: constant step cosine",), "--schedule", "line"),
            (("--lr-scaling x: expected one of",), "--lr-scaling", "x"),
            (("--warmup 0",), "--warmup", "0"),
            (("--decay-steps 0",), "--schedule", "step", "--decay-steps", "0"),
            (("--base-batch 0",), "--lr-scaling", "sqrt", "--base-batch", "0"),
            (("warmup 11", "10 steps"), "--warmup", "11"),
            (("decay 0",), "--schedule", "step", "--decay-steps", "1", "--decay", "0"),
            (("decay 1.5",), "--schedule", "step", "--decay-steps", "1", "--decay", "1.5"),
            (("lr 900000", "linear scaling from a base batch of 1 to 16", "1.44e+07"), "--lr", "9e5", "--lr-scaling", "linear", "--base-batch", "1"),
            (("--profile and --validation",), "--profile", "--validation", "5"),
            (("--validation 0",), "--validation", "0"),
            (("--validation 100%",), "--validation", "100%"),
            (("--validation 0%",), "--validation", "0%"),
            (("--validation 0.1",), "--validation", "0.1"),
            (("--validation 1K",), "--validation", "1K"),
            (("--validation x",), "--validation", "x"),
            (("--validation", "240 examples to hold out", "less than the 240"), "--validation", "240"),
            (("--validation", "99 examples to hold out", "less than the 50"), "--validation", "99", "--examples", "50"),
            (("--examples 241", "240 examples"), "--examples", "241"),
            (("--examples 0",), "--examples", "0"),
            (("--batch 16", "10 examples"), "--batch", "16", "--examples", "10"),
            (("--batch 16", "15 examples"), "--batch", "16", "--examples", "30", "--validation", "50%")):
        t.fails(2, texts, "train", t.net, t.data, "--device", "reference", "--steps", "10", "--batch", "16", "--log", log, *arguments)
    expect(log.read_text() == "mine", "the log was touched")


@case("train --validation: a line an epoch, a list in the object and the log, the forecast exact, the same twice")
def _(t):
    log, folder = t.place() / "log", t.place()
    flags = ("--epochs", "4", "--validation", "25%", "--log", log, "--save", folder / "c")
    o = one_object(t.train(*flags, "--json"))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    expect(o["examples"] == 180 and o["held_out"] == 60 and o["steps"] == 48 and o["epochs"] == 4, f"{o}")
    expect([v["step"] for v in o["validation"]] == [12, 24, 36, 48] and [v["epochs"] for v in o["validation"]] == [1, 2, 3, 4], f"{o}")
    expect([line["validation"] for line in lines if "validation" in line] == o["validation"], f"{lines}")
    expect(list(lines[13]) == ["validation"] and lines[14]["step"] == 13, f"{lines[12:15]}")
    expect(o["validation"][-1]["loss"] < o["validation"][0]["loss"], f"it does not learn: {o}")
    expect(all(round(v["accuracy"] * 60) == v["accuracy"] * 60 for v in o["validation"]), f"{o}")
    expect(o["forecast_bytes"] == o["peak_bytes"], f"{o}")
    result = t.train(*flags)
    last = o["validation"][-1]
    expect(result.digest() == o["weights_sha256"], "another digest", result)
    result.says(f"step 48/48  validation accuracy {last['accuracy']:.4f} loss {last['loss']:.4f}\n")
    expect(f"\nvalidation   accuracy {last['accuracy']:.4f} loss {last['loss']:.4f}" in result.out, "not at the end", result)
    expect("180 examples to train, 60 held out, 80 to test" in result.out and "seed 1  validation 60\n" in result.out, "not told", result)
    o = one_object(t.train("--steps", "13", "--validation", "61", "--json"))
    expect(o["examples"] == 179 and [v["step"] for v in o["validation"]] == [12, 13], f"the end of a run within an epoch: {o}")
    net = folder / "mse"
    net.write_text(NET + "loss mse\n")
    o = one_object(t.train("--steps", "5", "--validation", "9", "--json", net=net))
    expect(o["validation"][0]["accuracy"] is None and o["validation"][0]["loss"] > 0, f"{o}")
    expect("\nvalidation   loss " in t.train("--steps", "5", "--validation", "9", net=net).out, "no line under mse")
    for o in (one_object(t.train("--steps", "5", "--json")), one_object(t.train("--steps", "5", "--examples", "240", "--json"))):
        expect("validation" not in o and o["held_out"] == 0 and o["examples"] == 240, f"{o}")


@case("train --examples: so many, drawn from the seed; with --validation, which is taken from them")
def _(t):
    digests = [t.train("--steps", "9", *more).digest() for more in (
        ("--examples", "100"), ("--examples", "100"), ("--examples", "101"), ("--examples", "100", "--seed", "2"), ("--examples", "240"), ())]
    expect(digests[0] == digests[1] and len(set(digests[:4])) == 3 and digests[4] == digests[5], f"{digests}")
    o = one_object(t.train("--steps", "9", "--examples", "100", "--validation", "30", "--json"))
    expect(o["examples"] == 70 and o["held_out"] == 30, f"{o}")
    out = t.train("--steps", "9", "--examples", "100", "--validation", "30%").out
    expect("70 examples to train, 30 held out, 80 to test" in out and "  examples 100  validation 30\n" in out, out)


@case("plan --validation: the least budget does, a byte less does not; training takes what it forecasts, and ends in the same weights")
def _(t):
    flags = ("--validation", "100", "--examples", "200", "--batch", "32")
    free, plain = forecast(t, *flags), forecast(t, "--examples", "100", "--batch", "32")
    expect(free["parts"]["validation"] > 0 and "validation" not in plain["parts"], f"{free} {plain}")
    least, digests = free["min_budget"], set()
    expect(least > plain["min_budget"], f"{least} {plain}")
    for budget in (least, least + 1, least + 5000, least * 2, free["bytes_total"], free["budget"]):
        o = one_object(t.train("--steps", "7", *flags, "--budget", str(budget), "--json"))
        planned = forecast(t, *flags, "--budget", str(budget))
        expect(o["peak_bytes"] == o["forecast_bytes"] == planned["bytes_total"] <= budget, f"{budget}: {o} {planned}")
        digests.add((o["weights_sha256"], *(v["loss"] for v in o["validation"])))
    expect(len(digests) == 1, f"{digests}")
    for command in ("plan", "train"):
        t.fails(1, ("budget", str(least)), command, t.net, t.data, "--device", "reference", *flags, "--budget", str(least - 1))
    t.fails(2, ("expected DATA",), "plan", t.net, "--validation", "5", "--device", "reference")
    t.fails(2, ("expected DATA",), "plan", t.net, "--examples", "5", "--device", "reference")
    text = t.run("plan", t.net, t.data, "--device", "reference", *flags).out
    expect("100 examples to train, 100 held out, 80 to test" in text and re.search(r"^ +validation +\d", text, re.M), text)


@case("SIGINT with --validation: status 130, the weights of so many steps, what was measured until then")
def _(t):
    folder = t.place()
    child = begin_long(t, "--validation", "40", "--batch", "50", "--json", "--save", folder / "s")
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    result = Result(("train", "..."), child.returncode, out, err, 0)
    expect(child.returncode == 130, f"status {child.returncode}, expected 130", result)
    o = one_object(result)
    expect(o["weights_sha256"] == t.run("eval", folder / "s", t.data, "--device", "reference").digest() and o["interrupted"] is True, f"{o}")
    measured, epochs = [v["step"] for v in o["validation"]], list(range(4, o["steps"] + 1, 4))
    cut = o["steps"] % 4 == 0 and measured == epochs[:-1]  # the signal came with an epoch's last step
    expect(measured == epochs or cut, f"{o['steps']} steps: {o['validation'][-3:]}", result)


@case("devices --net: the largest batch untiled, and the tile of 256")
def _(t):
    o = one_object(t.run("devices", "--net", "lenet", "--json"))
    row = o["devices"][-1]
    expect(o["network"] == "lenet" and row["id"] == "reference", f"{o}")
    expect(row["plan"] == {"batch": 256, "tile": 256, "tiles": 1, "largest_untiled": 65520}, f"{row}")
    text = t.run("devices", "--net", "lenet")
    expect(re.search(r"^  net        lenet: batches up to 65520 untiled; a batch of 256 takes 1 tile of 256$", text.out, re.M), "no plan", text)
    t.fails(1, ("'mpl'",), "devices", "--net", "mpl")
    expect("plan" not in one_object(t.run("devices", "--json"))["devices"][-1], "a plan without --net")


# -------------------------------------------------------------------------------------------------------------- eval

def safetensors(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def edited(change):
    """The checkpoint with its header and data changed."""
    def apply(raw):
        size = struct.unpack("<Q", raw[:8])[0]
        header, data = json.loads(raw[8:8 + size]), bytearray(raw[8 + size:])
        data = change(header, data) or data
        return safetensors(header, bytes(data))
    return apply


def poke(value):
    return lambda header, data: data.__setitem__(slice(40, 44), struct.pack("<f", value))


CHECKPOINTS = [
    ("empty", lambda raw: b"", ("not safetensors",)),
    ("a text", lambda raw: NET.encode(), ("not safetensors",)),
    ("a picture", lambda raw: b"\x89PNG\r\n\x1a\n" + bytes(5000), ("not safetensors",)),
    ("truncated within the data", lambda raw: raw[:-100], ("truncated",)),
    ("truncated within the header", lambda raw: raw[:60], ("truncated",)),
    ("trailing bytes", lambda raw: raw + b"more", ("trailing bytes",)),
    ("a header that is no JSON", lambda raw: safetensors(b"{]"), ("header", "JSON")),
    ("a header of 2^63 bytes", lambda raw: struct.pack("<Q", 1 << 63) + raw[8:], ("not safetensors",)),
    ("no network in it", edited(lambda h, d: h.pop("__metadata__") and None), ("no network", "tassello.network")),
    ("a network that is wrong", edited(lambda h, d: h["__metadata__"].update({"tassello.network": "input 64\nfoo\n"})), (":2:", "'foo' is no layer")),
    ("another network than its tensors", edited(lambda h, d: h["__metadata__"].update({"tassello.network": "input 64\ndense 9\n"})),
     ("1.dense.weight", "shape")),
    ("a tensor is missing", edited(lambda h, d: h.__setitem__("x", h.pop("3.dense.bias"))), ("lacks tensor 3.dense.bias",)),
    ("NaN among the weights", edited(poke(float("nan"))), ("1.dense.", "not finite")),
    ("infinity among the weights", edited(poke(float("inf"))), ("1.dense.", "not finite")),
    ("weights of another type", edited(lambda h, d: h["3.dense.bias"].update(dtype="F16")), ("F16", "expected \"F32\"")),
    ("tensors that overlap", edited(lambda h, d: h["3.dense.bias"].update(data_offsets=[0, 16])), ("overlap",)),
]
for _name, _change, _texts in CHECKPOINTS:
    def bad_checkpoint(t, change=_change, texts=_texts):
        path = t.checkpoint(t.place() / "c.safetensors")
        path.write_bytes(change(path.read_bytes()))
        t.fails(1, (str(path), *texts), "eval", path, t.data, "--device", "reference")
    case(f"eval: {_name}: status 1, said with its path")(bad_checkpoint)


@case("eval: a checkpoint that is not there, a folder, a pipe; data that do not fit or are not there")
def _(t):
    path = t.checkpoint(t.place() / "c")
    t.fails(1, ("no such.st", "No such file"), "eval", "no such.st", t.data, "--device", "reference")
    t.fails(1, (str(t.data), "not a regular file"), "eval", t.data, t.data, "--device", "reference")
    t.fails(1, ("takes 64 values", "has 49"), "eval", path, make_set(t.place() / "d", size=7), "--device", "reference")
    t.fails(1, ("has 4 outputs", "6 classes"), "eval", path, make_set(t.place() / "d", classes=6), "--device", "reference")
    t.fails(1, ("/no/data", "No such file"), "eval", path, "/no/data", "--device", "reference")
    pipe = t.place() / "pipe"
    os.mkfifo(pipe)
    t.fails(1, ("pipe", "not a regular file"), "eval", pipe, t.data, "--device", "reference", timeout=10)


@case("eval: weights so large that the loss is not finite: said, status 1")
def _(t):
    path = t.checkpoint(t.place() / "c")
    path.write_bytes(edited(lambda h, d: struct.pack("<f", 3e38) * (len(d) // 4))(path.read_bytes()))
    t.run("eval", path, t.data, "--device", "reference", status=1).says("finite")


# -------------------------------------------------------------------------------------------- a batch chosen by a probe

AUTO = re.compile(r"^settings +batch (\d+) lr (\S+) \(auto: (.+?)\)  momentum", re.M)


def repeat_auto(t, *arguments):
    """What --batch auto prints can be given, and leads to the same weights; log, object and checkpoint tell of it, too."""
    folder = t.place()
    words = ("train", t.net, t.data, "--device", "reference", *arguments)
    first = t.run(*words, "--batch", "auto", "--save", folder / "s", "--log", folder / "l")
    found = AUTO.search(first.out)
    expect(found, "no batch is told of", first)
    batch, lr, reason = found.groups()
    again = t.run(*words, "--batch", batch, "--lr", lr, "--json")
    expect(one_object(again)["weights_sha256"] == first.digest() and "auto" not in one_object(again), "another digest", first)
    lines = [json.loads(line) for line in (folder / "l").read_text().splitlines()]
    for o in (lines[0]["run"], lines[-1]["result"]):
        expect(o["auto"] == {"batch": int(batch), "lr": float(lr), "reason": reason} and o["batch"] == int(batch), f"{o}", first)
    expect(lines[-1]["result"]["peak_bytes"] == lines[-1]["result"]["forecast_bytes"], f"{lines[-1]}")
    told = t.run("eval", folder / "s", t.data, "--device", "reference")
    expect(f"trained      batch {batch} lr {lr} (auto: {reason})" in told.out, "the checkpoint does not tell", told)
    return int(batch), float(lr), reason


@case("train --batch auto with momentum: 64, or what a small set allows, and why")
def _(t):
    batch, lr, reason = repeat_auto(t, "--lr", "0.05", "--epochs", "3")
    expect(batch == 16 and lr == 0.0125 and "momentum or Adam" in reason and "scaled with the batch" in reason, f"{batch} {lr} {reason}")


@case("train --batch auto with plain SGD: a probe, at most a tenth of the set")
def _(t):
    batch, lr, reason = repeat_auto(t, "--lr", "0.05", "--epochs", "400", "--momentum", "0")
    expect(1 <= batch <= 24 and 0 < lr <= 0.05 and f"Batch {batch} with learning rate" in reason, f"{batch} {lr} {reason}")


@case("train --batch auto with what does not go with it")
def _(t):
    words = ("train", t.net, t.data, "--device", "reference", "--batch", "auto")
    t.fails(2, ("--batch auto", "--lr above 0"), *words, "--lr", "0")
    t.fails(2, ("--batch auto and --lr-scaling",), *words, "--lr-scaling", "sqrt")
    t.fails(2, ("--batch aut:", "or auto"), *words[:-1], "aut")
    t.fails(1, ("budget",), *words, "--momentum", "0", "--epochs", "400", "--budget", "1000")


# ------------------------------------------------------------------------------------------------------------- sweep

SWEEP_USAGE = [
    (("--batches", "0"), ("--batches 0", "whole numbers from 1")),
    (("--batches", "16,"), ("--batches 16,",)),
    (("--batches", "16 64"), ("--batches 16 64",)),
    (("--batches", "16,32,16"), ("16 is there twice",)),
    (("--batches", "99999999999"), ("--batches 99999999999",)),
    (("--batches", ",".join(map(str, range(1, 34)))), ("at most 32",)),
    (("--batches", "16,241"), ("--batches: 241", "240 examples")),
    (("--batches", "16,64", "--examples", "60"), ("--batches: 64", "60 examples")),
    (("--examples", "241"), ("--examples 241", "240 examples")),
    (("--validation", "240"), ("--validation", "less than the 240")),
    (("--validation", "100%"), ("--validation 100%",)),
    (("--examples", "9"), ("of 9 examples", "--validation")),
    (("--target-loss", "0"), ("--target-loss 0",)),
    (("--target-loss", "nan"), ("--target-loss nan", "finite")),
    (("--target-loss", "1e9"), ("--target-loss 1e+09", "below 1e6")),
    (("--target-accuracy", "1"), ("--target-accuracy 1", "between 0 and 1")),
    (("--target-loss", "1", "--target-accuracy", "0.5"), ("--target-loss and --target-accuracy",)),
    (("--target-on", "train"), ("--target-on train", "--target-loss")),
    (("--target-on", "test"), ("--target-on test", "validation train")),
    (("--goal", "speed"), ("--goal speed", "time examples accuracy memory")),
    (("--seeds", "1"), ("--seeds 1", "from 2 to 32")),
    (("--epochs", "0"), ("--epochs 0",)),
    (("--epochs", "1e7"), ("--epochs 1e+07", "at most 1e6")),
    (("--waste", "0.5"), ("--waste 0.5", "at least 1")),
    (("--lr", "0"), ("--lr 0", "above 0")),
    (("--lr", "65"), ("--lr 65", "1e-6 to 64")),
    (("--lr-grid", "--lr-scaling", "sqrt"), ("--lr-grid and --lr-scaling",)),
    (("--rates", "0.1", "--batches", "16"), ("--rates", "--target-loss")),
    (("--rates", "0.1,0.2", "--target-loss", "1"), ("--rates", "--batches", "0, not 2")),
    (("--rates", "0.1,0.2", "--batches", "16", "--target-loss", "1"), ("1, not 2",)),
    (("--rates", "0.1,0", "--batches", "16,4", "--target-loss", "1"), ("--rates 0.1,0", "above 0")),
    (("--rates", "0.1,1025", "--batches", "16,4", "--target-loss", "1"), ("--rates: 1025", "1e-9 to 1024")),
    (("--rates", "0.1,x", "--batches", "16,4", "--target-loss", "1"), ("--rates 0.1,x",)),
    (("--rates", "0.1", "--batches", "16", "--target-loss", "1", "--lr", "1"), ("--rates and --lr:",)),
    (("--rates", "0.1", "--batches", "16", "--target-loss", "1", "--lr-grid"), ("--rates and --lr-grid",)),
    (("--lr-scaling", "cubic"), ("--lr-scaling cubic", "none linear sqrt")),
    (("--base-batch", "32"), ("--base-batch", "--lr-scaling")),
    (("--lr-scaling", "none", "--base-batch", "32"), ("--base-batch", "--lr-scaling")),
    (("--optimizer", "adam", "--momentum", "0.5"), ("--momentum", "--optimizer sgd")),
    (("--beta1", "0.5"), ("--beta1", "adam")),
    (("--optimizer", "adamw", "--nesterov"), ("--nesterov", "--optimizer sgd")),
    (("--nesterov", "--momentum", "0"), ("--nesterov", "--momentum above 0")),
    (("--schedule", "step"), ("--schedule step", "--decay-steps")),
    (("--decay-steps", "9"), ("--decay-steps", "--schedule step")),
    (("--decay", "0.5"), ("--decay", "--schedule step")),
    (("--lr-end", "0.01"), ("--lr-end", "--schedule cosine")),
    (("--time", "0s"), ("--time 0s", "90s, 10m or 2h")),
    (("--time", "10"+"0" * 40), ("--time 1000",)),
    (("--time", "-5m"), ("--time -5m",)),
    (("--time", "m"), ("--time m",)),
    (("--time", "5d"), ("--time 5d",)),
    (("--brief", "--goal", "accuracy"), ("--brief and --goal accuracy",)),
    (("--report", "x", "--json", "x"), ("--report and --json", "two files")),
    (("--report", "./x", "--json", "x"), ("--report and --json", "two files")),
    (("--report", "-"), ("--report -", "a file")),
]
for _arguments, _texts in SWEEP_USAGE:
    def sweep_usage(t, arguments=_arguments, texts=_texts):
        folder = t.place()
        t.fails(2, texts, "sweep", t.net, t.data, "--device", "reference", *arguments, cwd=folder)
        expect(not leftovers(folder), f"left behind: {leftovers(folder)}")
    case(f"sweep {' '.join(_arguments)[:60]}: status 2")(sweep_usage)


@case("sweep: what cannot be written, and what would be replaced, is found before the work")
def _(t):
    folder = t.place()
    (folder / "file").write_text("x")
    (folder / "net").write_text(NET)
    where = ("sweep", folder / "net", t.data, "--device", "none such")
    t.fails(1, ("--json /no/such/place/j", "cannot be written"), *where, "--json", "/no/such/place/j")
    t.fails(1, ("--json", "not a regular file"), *where, "--json", folder)
    t.fails(1, ("--report /no/such/place/r.html",), *where, "--report", "/no/such/place/r.html")
    t.fails(1, ("--report", "gnuplot"), *where, "--report", folder / "r.html", env={"PATH": "/nonexistent"})
    t.fails(1, ("--state", "not a folder"), *where, "--state", folder / "file")
    t.fails(1, ("--state", "cannot be made"), *where, "--state", folder / "none" / "such")
    t.fails(2, ("would replace the network",), *where, "--json", folder / "net")
    t.fails(1, ("there is no device none such",), *where, "--state", folder / "new")
    expect(leftovers(folder) == ["file", "net"] and (folder / "net").read_text() == NET, f"{leftovers(folder)}")


@case("train --save: what a link leads to is written, and the link stays one")
def _(t):
    folder = t.place()
    (folder / "there").mkdir()
    (folder / "link").symlink_to(folder / "there" / "file")
    (folder / "there" / "file").touch()
    t.train("--steps", "1", "--save", folder / "link")
    expect((folder / "link").is_symlink(), "the link is one no more")
    expect(leftovers(folder / "there") == ["file"] and (folder / "there" / "file").stat().st_size > 100, f"{leftovers(folder)}")


SWEPT = ("--batches", "16,4", "--target-loss", "0.7", "--epochs", "20", "--seeds", "2", "--momentum", "0", "--brief")


def table(result):
    """The rows, by batch."""
    rows = re.search(r"^ +batch +lr .*\n((?: +\d+  .*\n)+)advice +Batch (\d+)", result.out, re.M)
    expect(rows, "no table, or no advice", result)
    return {int(line.split()[0]): line.split() for line in rows[1].splitlines()}, int(rows[2])


@case("sweep: a table, the advice, and a command that trains so; the forecast first, on stderr")
def _(t):
    folder = t.place()
    report = ("--report", folder / "r.html") if shutil.which("gnuplot") else ()
    result = t.run("sweep", t.net, t.data, "--device", "reference", *SWEPT, "--json", folder / "j", "--state", folder / "s", *report)
    rows, batch = table(result)
    expect(list(rows) == [4, 16] and batch in rows, f"{rows}", result)
    expect(re.search(r"^forecast: about \d+:\d\d", result.err, re.M), "no forecast", result)
    expect(f"json         {folder / 'j'}\n" in result.out and leftovers(folder, "r.html") == ["j", "s"], "not told where", result)
    if report:
        expect(f"report       {folder / 'r.html'}\n" in result.out and "<html" in (folder / "r.html").read_text(), "no report", result)
    o = json.loads((folder / "j").read_text())
    expect([row["batch"] for row in o["batches"]] == [4, 16] and "b_crit" in o, f"{list(o)}")
    command = re.search(r"^command +tassello (train .+)$", result.out, re.M)
    expect(command and f"--batch {batch} --lr " in command[1], "no command", result)
    trained = t.run(*shlex.split(command[1]))
    expect(LAST.search(trained.out), "the command does not train", trained)
    again = t.run("sweep", t.net, t.data, "--device", "reference", *SWEPT, "--state", folder / "s")
    expect(table(again)[0][4][1] == rows[4][1] and again.seconds < result.seconds + 1, "not taken from the state", again)


@case("sweep: the command has the sweep's seed, and the course of its runs")
def _(t):
    words = ("sweep", t.net, t.data, "--device", "reference", *SWEPT, "--seed", "5", "--schedule", "cosine", "--epochs", "2.5")
    result = t.run(*words, "--batches", "16", "--target-loss", "1.3", "--rates", "0.05")
    command = re.search(r"^command +tassello (train .+)$", result.out, re.M)[1]
    trained = t.run(*shlex.split(command))
    expect("--seed 5" in command and "--schedule cosine" in command, command, result)
    examples = int(re.search(r"(\d+) examples to train", result.out)[1])
    examples -= examples // 10
    steps = 2 * -(-examples // 16) + -(-examples // 2 // 16)
    expect(f"--steps {steps} " in command, f"{steps} steps", result)
    expect(f"steps        {steps} in" in trained.out, "other steps", trained)


@case("sweep: the command's warm-up fits its run")
def _(t):
    words = ("sweep", t.net, t.data, "--device", "reference", *SWEPT, "--epochs", "8", "--batches", "16", "--target-loss", "1.3",
             "--rates", "0.05")
    for warmup, option in (("3000", "--steps"), ("1", "--warmup 4")):
        result = t.run(*words, "--warmup", warmup)
        command = re.search(r"^command +tassello (train .+)$", result.out, re.M)[1]
        expect(option in command and "--warmup 0" not in command, command, result)
        expect(LAST.search(t.run(*shlex.split(command)).out), "the command does not train: " + command)


@case("sweep --json -: one object on stdout and the table on stderr")
def _(t):
    result = t.run("sweep", t.net, t.data, "--device", "reference", *SWEPT, "--json", "-")
    expect(one_object(result)["batches"][0]["batch"] == 4, "not the object", result)
    result.says("advice ", "command ", "target ")


@case("sweep: a target that no batch reaches, and a time limit too short")
def _(t):
    words = ("sweep", t.net, t.data, "--device", "reference", *SWEPT)
    t.run(*words, "--target-loss", "0.0000001", "--epochs", "2", status=1).says("no batch reached", "the nearest was")
    t.run(*words, "--time", "0.001s", status=2).says("time limit", "too short")


@case("sweep --state and --time: what the state holds is told, however little time is left")
def _(t):
    folder = t.place()
    words = ("sweep", t.net, t.data, "--device", "reference", *SWEPT, "--state", folder / "s")
    rows, _ = table(t.run(*words))
    file = folder / "s" / "sweep.json"
    for elapsed in (539.9, 541):
        file.write_text(json.dumps({**json.loads(file.read_text()), "elapsed": elapsed}))
        again, _ = table(t.run(*words, "--time", "9m"))
        expect(all(again[batch][1] == rows[batch][1] != "-" for batch in rows), f"{rows} {again}")


@case("sweep: a set of one class teaches nothing")
def _(t):
    data = make_set(t.place() / "d", classes=1)
    t.run("sweep", t.net, data, "--device", "reference", *SWEPT, status=1).says("all examples are of class 0", "nothing to learn")


@case("sweep: an accuracy is no target under loss mse")
def _(t):
    net = t.place() / "net"
    net.write_text(NET + "loss mse\n")
    t.fails(2, ("--target-accuracy", "loss mse", "--target-loss"), "sweep", net, t.data, "--device", "none such", "--target-accuracy", "0.5")


@case("sweep --state: a folder in use, or of nobody knows which sweep is refused; a damaged run is repeated; what a killed one left goes")
def _(t):
    folder = t.place()
    state, words = folder / "s", ("sweep", t.net, t.data, "--device", "reference", *SWEPT, "--state", folder / "s")
    t.run(*words)
    (state / "run-0001.json.1234500").write_text("{")
    (state / "run-0001.json.old").write_text("{")
    t.run(*words)
    expect([n for n in leftovers(state) if n.startswith("run-0001.json.")] == ["run-0001.json.old"], f"{leftovers(state)}")
    handle = os.open(state, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    t.run(*words, status=1).says(str(state), "another sweep is at work", "another folder")
    os.close(handle)
    t.run(*words, "--momentum", "0.5", status=2).says(str(state), "holds another sweep", "momentum 0.5")
    text = (state / "sweep.json").read_text()
    (state / "sweep.json").write_text(text[:30])
    t.run(*words, status=1).says("sweep.json:", "name another folder")
    (state / "sweep.json").unlink()
    t.run(*words, "--momentum", "0.5", status=1).says(str(state), "no sweep.json", "name another folder")
    expect("sweep.json" not in leftovers(state), "it was made another sweep's")
    (state / "sweep.json").write_text(text)
    run = state / "run-0001.json"
    run.write_text(run.read_text()[:100])
    t.run(*words).says("run-0001.json:")
    run.unlink()
    expect("run-0001.json" not in t.run(*words).err, "a file that is gone is told of")


@case("sweep --state: test figures are those of the batch's own rate, whatever other rate was run there")
def _(t):
    folder = t.place()
    words = ("sweep", t.net, t.data, "--device", "reference", "--batches", "16", "--target-loss", "0.7", "--epochs", "20", "--seeds", "2", "--brief",
             "--state", folder / "s", "--json", folder / "j")
    losses = []
    for rate in ("0.1", "0.02", "0.1"):
        t.run(*words, "--rates", rate)
        losses.append(json.loads((folder / "j").read_text())["batches"][0]["test_loss"])
    expect(losses[0] == losses[2] != losses[1], f"{losses}")


@case("sweep and SIGINT: status 130, what is known is told, and the state goes on")
def _(t):
    folder = t.place()
    words = ("sweep", t.net, t.data, "--device", "reference", "--batches", "1,2,4,8,16", "--target-loss", "0.02", "--epochs", "200", "--state",
             folder / "s")
    child = t.start(*words)
    begin = time.monotonic()
    while not list((folder / "s").glob("run-*")) and time.monotonic() - begin < 60:
        expect(child.poll() is None, f"it has ended with {child.poll()}")
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    result = Result(words, child.returncode, out, err, 0)
    expect(child.returncode == 130, "another status", result)
    result.says("interrupted", str(folder / "s"), "goes on from there")
    expect(re.search(r"^ +batch +lr ", result.out, re.M), "no table", result)


@case("sweep and SIGINT while its report is written: the files are whole, and the table is there")
def _(t):
    if not shutil.which("gnuplot"):
        raise Skip("no gnuplot")
    folder = t.place()
    drawn, slow = folder / "drawn", folder / "bin" / "gnuplot"
    slow.parent.mkdir()
    slow.write_text(f'#!/bin/sh\n[ "$1" = --version ] || {{ : > "{drawn}"; sleep 0.5; }}\nexec {shutil.which("gnuplot")} "$@"\n')
    slow.chmod(0o755)
    words = ("sweep", t.net, t.data, "--device", "reference", *SWEPT, "--report", folder / "r.html", "--json", folder / "j")
    child = t.start(*words, env={"PATH": f"{slow.parent}:{os.environ['PATH']}"})
    begin = time.monotonic()
    while not drawn.exists() and time.monotonic() - begin < 60:
        expect(child.poll() is None, f"it has ended with {child.poll()}")
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    result = Result(words, child.returncode, out, err, 0)
    expect(child.returncode == 130, "another status", result)
    table(result)
    expect(json.loads((folder / "j").read_text())["batches"], "no JSON")
    expect(leftovers(folder) == ["bin", "drawn", "j", "r.html"], f"{leftovers(folder)}", result)


# ------------------------------------------------------------------------------------------------------------ verify

VERIFY = ("verify", "--device", "reference", "--cases", "1")


@case("verify --device reference: rows, then the digest that is stated, then the count; status 0")
def _(t):
    result = t.run(*VERIFY)
    end = re.search(r"^digest ([0-9a-f]{64})\n(?:.*\n)*?\d+ passed, 0 failed, \d+ skipped\n\Z", result.out, re.M)
    expect(end and "  ok " in result.out and "FAILED" not in result.out, "not the end of a verification", result)
    expect(result.err == "", "words on stderr", result)


@case("verify --json FILE and -: one object; - leaves nothing else on stdout")
def _(t):
    path = t.place() / "v.json"
    written = t.run(*VERIFY, "--json", path)
    expect("digest " in written.out, "no rows on stdout", written)
    o, seen = json.loads(path.read_text()), t.run(*VERIFY, "--json", "-")
    p = one_object(seen)
    seen.says("digest ")
    for one in (o, p):
        expect(one["passed"] == 1 and one["failed"] == 0 and one["devices"][0]["device"] == "reference", f"{one}")
        expect(one["devices"][0]["digest"] == one["stated_digest"], f"{one}")
    expect(path.read_text().count("\n") == 1, "not one line")


@case("verify: the digest does not depend on --seed and --cases")
def _(t):
    digests = {re.search(r"^digest (\w{64})$", t.run("verify", "--device", "reference", "--cases", c, "--seed", s, status=None).out, re.M)[1]
               for c, s in ((0, 1), (2, 99))}
    expect(len(digests) == 1, f"{digests}")


@case("verify --all without a driver: the reference's row, and the count")
def _(t):
    out = t.run("verify", "--all", "--cases", "0").out
    expect(re.search(r"^ok +reference .*\n1 passed, 0 failed, 0 skipped\n\Z", out, re.M), f"{out}")


@case("verify --json into a missing folder: status 1, before the work")
def _(t):
    t.fails(1, ("--json /no/such/x", "No such file"), *VERIFY, "--json", "/no/such/x")
    t.run(*VERIFY, "--json", "/dev/full", status=1).says("--json /dev/full", "No space left")


# -------------------------------------------------------------------------------------------------------------- PoCL

POCL = {"OCL_ICD_VENDORS": POCL_ICD}


@case("pocl: trains to the reference's bits", needs="pocl")
def _(t):
    expect(t.train("--steps", "20", device="pocl", env=POCL).digest() == t.train("--steps", "20").digest(), "digests differ")
    result = t.train("--steps", "20", device=None, env=POCL)
    expect("device       pocl" in result.out, "not chosen by itself", result)


@case("pocl: train --noise tells what the reference tells", needs="pocl")
def _(t):
    expect(check_noise(t, "pocl", env=POCL)["noise"] == check_noise(t, "reference")["noise"], "another noise scale")


@case("pocl: train --profile", needs="pocl")
def _(t):
    check_profile(t, "pocl", env=POCL)


@case("pocl: a sweep begun on the reference goes on: its runs are kept, steps are timed again, and memory is not the reference's", needs="pocl")
def _(t):
    folder = t.place()
    words = ("sweep", t.net, t.data, *SWEPT, "--state", folder / "s", "--json", folder / "j")
    t.run(*words, "--device", "reference", env=POCL)
    first, files = json.loads((folder / "j").read_text()), leftovers(folder / "s")
    second = t.run(*words, "--device", "pocl", env=POCL)
    again = json.loads((folder / "j").read_text())
    expect(leftovers(folder / "s") == files, f"other runs: {leftovers(folder / 's')}", second)
    expect(again["device"].startswith("pocl") and first["device"] == "reference", f"{again['device']}")

    def of(o):
        return sorted((r["batch"], r["lr"], r["seed"], r["search"], r["steps"] or 0, len(r["points"])) for r in o["runs"])
    expect(of(again) == of(first), f"{of(first)}\n{of(again)}", second)
    for old, new in zip(first["batches"], again["batches"]):
        expect(new["step_s"] != old["step_s"] and new["lr"] == old["lr"] and new["steps"] == old["steps"], f"{old} {new}")
        expect(old["memory_used"] and not new["memory_used"] and new["memory_elsewhere"], f"{new}")
    second.says("another device or in another budget")


@case("pocl: two of its devices: the short id is ambiguous, the long ones work", needs="pocl")
def _(t):
    two = {**POCL, "POCL_DEVICES": "pthread pthread"}
    result = t.fails(1, ("more than one device is called pocl",), "train", t.net, t.data, "--device", "pocl", env=two)
    ids = re.search(r"say which: (.*)", result.err)[1].split(", ")
    expect(len(set(ids)) == 2 and all(i.startswith("pocl@") for i in ids), f"{ids}")
    rows = one_object(t.run("devices", "--json", env=two))["devices"]
    expect([r["id"] for r in rows] == [*ids, "reference"], f"{rows}")
    digests = {t.train("--steps", "3", device=i, env=two).digest() for i in ids}
    expect(digests == {t.train("--steps", "3").digest()}, f"{digests}")
    t.train("--steps", "3", device=ids[0], env=POCL)  # the long form is accepted where the short one would do
    t.fails(1, ("there is no device gpu", *ids), "train", t.net, t.data, "--device", "gpu", env=two)


@case("pocl: a cache that cannot be written, or is full, or is no folder: it works all the same", needs="pocl")
def _(t):
    folder = t.place()
    (folder / "file").write_text("")
    plain = t.train("--steps", "3").digest()
    for cache in ("/proc/nothing", str(folder / "file"), "relative"):
        result = t.train("--steps", "3", device="pocl", env={**POCL, "XDG_CACHE_HOME": cache})
        expect(result.digest() == plain and "cannot" not in result.err, f"{cache}", result)
    expect(leftovers(folder) == ["file"], f"{leftovers(folder)}")


@case("pocl: damaged files in the cache are built again", needs="pocl")
def _(t):
    cache = t.place()
    env = {**POCL, "XDG_CACHE_HOME": str(cache)}
    plain = t.train("--steps", "3", device="pocl", env=env).digest()
    draw = random.Random(2)
    for path in (cache / "tassello").iterdir():
        data = path.read_bytes()
        path.write_bytes(draw.choice((b"", data[:len(data) // 2], draw.randbytes(len(data)), data + b"x", b"refused\n")))
    result = t.train("--steps", "3", device="pocl", env=env)
    expect(result.digest() == plain, "another digest", result)


@case("pocl: two trainings at once with one fresh cache", needs="pocl")
def _(t):
    cache = t.place()
    children = [t.start("train", t.net, t.data, "--device", "pocl", "--batch", "16", "--lr", "0.05", "--steps", "3", env={**POCL, "XDG_CACHE_HOME": str(cache)})
                for _ in range(2)]
    ends = [(c.communicate(timeout=300), c.returncode) for c in children]
    expect(all(status == 0 for _, status in ends), f"{ends}")
    expect({LAST.search(out.decode())[3] for (out, _), _ in ends} == {t.train("--steps", "3").digest()}, f"{ends}")
    expect(not [p.name for p in cache.rglob("*.??????") if re.search(r"\.\w{6}$", p.name)], f"left behind: {list(cache.rglob('*'))}")


@case("pocl: SIGINT", needs="pocl")
def _(t):
    folder = t.place()
    child = t.start("train", t.net, t.data, "--device", "pocl", "--batch", "240", "--epochs", "100000000", "--save", folder / "s", env=POCL)
    for line in child.stderr:
        if line.startswith(b"step "):
            break
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    expect(child.returncode == 130, f"status {child.returncode}: {err[-500:]}")
    digest = re.search(rb"weights sha256 (\w{64})\n\Z", out)[1].decode()
    expect(t.run("eval", folder / "s", t.data, "--device", "reference").digest() == digest, "another digest")


for _net in ("mlp", "lenet"):
    def pocl_budgets(t, net=_net):
        data = large_set(t, t.place())
        least, digest = sweep(t, net, data, "pocl", POCL, 4)
        too_small(t, net, data, "pocl", POCL, least)
        plain = t.train("--batch", "24", "--steps", "2", net=net, data=data).digest()
        expect(digest == plain, "another digest than the reference's")
        for tile in ("1", "7"):
            o = one_object(t.train("--batch", "24", "--steps", "2", "--tile", tile, "--json", net=net, data=data, device="pocl", env=POCL))
            expect(o["tile"] <= int(tile) and o["weights_sha256"] == digest and o["peak_bytes"] == o["forecast_bytes"], f"{o}")
    case(f"pocl: --budget, {_net}: forecast and peak agree, the bits are the reference's, the least is the least", needs="pocl")(pocl_budgets)


@case("pocl: devices --net opens it", needs="pocl")
def _(t):
    row = one_object(t.run("devices", "--net", "lenet", "--json", env=POCL))["devices"][0]
    expect(row["id"] == "pocl" and row["tier"] == "exact" and row["plan"]["largest_untiled"] >= 256, f"{row}")
    expect(row["plan"]["tile"] * row["plan"]["tiles"] >= 256, f"{row}")


# ------------------------------------------------------------------------------------------- man page and completion

@case("man page: renders without a warning, and names every option")
def _(t):
    page = t.place() / "tassello.1"
    page.write_bytes(t.run("--man").raw)
    tried = 0
    for words in (["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page], ["groff", "-man", "-ww", "-z", page], ["mandoc", "-T", "lint", page]):
        if not shutil.which(words[0]):
            continue
        tried += 1
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        said = done.stderr + (done.stdout if words[0] == "mandoc" else "")
        expect(not said.strip(), f"{words[0]}: {said.splitlines()[:5]}")
    if not tried:
        raise Skip("neither man nor groff nor mandoc")
    text = page.read_text().replace("\\-", "-")
    for name in COMMANDS:
        for option in re.findall(r"--[a-z-]+", t.run(name, "--help").out):
            if option not in ("--usage", "--help"):
                expect(option in text, f"{option} of {name} is missing")


COMPLETIONS = [
    ("tassello tr", ["train"]),
    ("tassello ", [*COMMANDS, "--help", "--version"]),
    ("tassello inspect le", ["lenet"]),
    ("tassello plan ml", ["mlp"]),
    ("tassello plan mlp da", ["da ta"]),
    ("tassello plan mlp --budget 1G da", ["da ta"]),
    ("tassello plan mlp --b", ["--batch", "--budget"]),
    ("tassello devices --net cn", ["cnn"]),
    ("tassello train --dev", ["--device"]),
    ("tassello train --device re", ["reference"]),
    ("tassello train --arith ", ["exact", "fast"]),
    ("tassello train ml", ["mlp"]),
    ("tassello train mlp --save x da", ["da ta"]),
    ("tassello eval no", ["not.a.folder"]),
    ("tassello train mlp no", []),
    ("tassello verify --al", ["--all"]),
    ("tassello nothing ", []),
    ("tassello train --batch ", ["auto"]),
]


@case("bash completion: sources silently and completes commands, options, devices, networks and files")
def _(t):
    if not shutil.which("bash"):
        raise Skip("no bash")
    folder = t.place()
    (folder / "tassello.bash").write_bytes(t.run("--bash-completion").raw)
    (folder / "da ta").mkdir()
    (folder / "not.a.folder").write_text("")
    (folder / "tassello").symlink_to(t.program)
    env = {**t.environment, "PATH": f"{folder}:{t.environment['PATH']}"}
    script = ("set -u; . ./tassello.bash; COMP_LINE=$1; read -r -a COMP_WORDS <<<\"$1\"; [[ $1 != *' ' ]] || COMP_WORDS+=('');"
              "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _tassello; (( ! ${#COMPREPLY[@]} )) || printf '%s\\n' \"${COMPREPLY[@]}\"")
    for line, wanted in COMPLETIONS:
        done = subprocess.run(["bash", "--norc", "-c", script, "bash", line], cwd=folder, env=env, capture_output=True, text=True, check=False)
        expect(done.returncode == 0 and not done.stderr, f"{line!r}: {done.stderr}")
        expect(done.stdout.splitlines() == wanted, f"{line!r}: {done.stdout.splitlines()}, expected {wanted}")


# --------------------------------------------------------------------------------------------------------- the harness

def attempt(t, function):
    """None where it passed, ("skip" or "fail", text) else."""
    begin = time.monotonic()
    try:
        function(t)
        if time.monotonic() - begin > 5:
            print(f"# {function.__code__.co_firstlineno}: {time.monotonic() - begin:.1f} s", flush=True)
    except Skip as skip:
        return "skip", str(skip)
    except Exception as error:  # whatever it is, the others go on
        text = str(error) if isinstance(error, AssertionError) and str(error) else traceback.format_exc()
        return "fail", text
    return None


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # where it is ignored, the command leaves it so
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    t = Tool(sys.argv[1])
    chosen = [c for c in CASES if not sys.argv[2:] or any(word in c[0] for word in sys.argv[2:])]
    pocl = os.path.exists(POCL_ICD)
    failed = skipped = 0
    log = open(os.environ.get("CK_TAP_LOG_FILE_NAME", os.devnull), "w")
    log.write(f"1..{len(chosen)}\n")
    begin = time.monotonic()
    try:
        with ThreadPoolExecutor(4) as pool:
            ends = [pool.submit(attempt, t, f) if needs != "pocl" or pocl else None for _, f, needs in chosen]
            for number, ((name, _, _), end) in enumerate(zip(chosen, ends), 1):
                end = end.result() if end else ("skip", f"no {POCL_ICD}")
                if end and end[0] == "skip":
                    skipped += 1
                    print(f"ok {number} - {name} # SKIP {end[1]}", flush=True)
                    continue
                line = f"{'not ok' if end else 'ok'} {number} - {name}"
                failed += bool(end)
                print(line, flush=True)
                log.write(line + "\n")
                if end:
                    print("\n".join("#   " + text for text in end[1].splitlines()), flush=True)
    finally:
        log.close()
        t.end()
    print(f"# {len(chosen) - failed - skipped} passed, {failed} failed, {skipped} skipped, in {time.monotonic() - begin:.1f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
