#!/usr/bin/env python3
"""tassello train: its result, its log, its settings, and runs that fail."""
import contextlib
import fcntl
import json
import os
import pty
import re
import resource
import struct
import sys
import termios

from checks import check_noise, check_preconditioned_noise, check_profile, forecast
from common import case, expect, LAST, LAST_MSE, leftovers, main, make_set, NET, one_object, Skip


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
    expect(0 < o["start_seconds"] < 60, f"{o}")
    expect(o["lr"] == 0.05 and o["momentum"] == 0.9, f"a setting is not what was given: {o}")
    expect(o["tile"] == 16 and o["tiles"] == 1 and o["resident"] is True and o["cuts"] == o["replays"] == 0, f"{o}")
    expect(o["forecast_bytes"] == o["peak_bytes"] < o["budget"], f"{o}")


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


@case("train --noise: a line before the result, keys in the object and the log; the same weights; memory as planned")
def _(t):
    check_noise(t, "reference")
    expect("not known yet, 0 steps measured" in t.train("--steps", "3", "--noise").out, "figures of no step")
    expect("does not indicate the best batch" in t.train("--steps", "3", "--noise", "--momentum", "0.9").out,
           "momentum is plain SGD")


@case("train --noise --optimizer adamw: the preconditioned noise scale; of no other optimizer")
def _(t):
    check_preconditioned_noise(t, "reference")
    for optimizer in ("sgd", "lamb", "rmsprop"):
        result = t.train("--steps", "70", "--optimizer", optimizer, "--noise")
        expect("preconditioned" not in result.out, "no second moment of Adam's", result)
    text = t.train("--steps", "20", "--optimizer", "adam", "--noise")
    expect(re.search(r"^preconditioned noise scale  not known yet, 0 steps measured", text.out, re.M), "a figure", text)


NORMED = "input 8x8\ndense 12 no bias\n{}\nrelu\ndense 4\n"


@case("train --noise with batch normalization: none over the batch, and why; from whole groups of it")
def _(t):
    net = t.place() / "n"
    words = ("train", net, t.data, "--device", "reference", "--steps", "32", "--batch", "32", "--momentum", "0",
             "--noise")
    net.write_text(NORMED.format("batch_norm"))
    text = t.run(*words)
    text.says("note: the gradient noise scale is not estimated: batch normalization over the whole batch")
    expect(re.search(r"^noise scale  not estimated: batch normalization over the whole batch .*'batch_norm group N'",
                     text.out, re.M), "no line", text)
    o = one_object(t.run(*words, "--json"))
    expect(o["noise"]["state"] == "not estimated" and "whole batch" in o["noise"]["obstacle"]
           and o["noise"]["group"] is None and o["noise"]["steps"] == 0 and o["noise"]["value"] is None
           and o["noise"]["low"] is None, f"{o}")
    expect(o["peak_bytes"] == o["forecast_bytes"], f"{o}")
    net.write_text(NORMED.format("batch_norm group 8"))
    text = t.run(*words)
    expect(", 2 steps measured in groups of 16 examples\n" in text.out, "no groups", text)
    o = one_object(t.run(*words, "--json"))
    expect(o["noise"]["group"] == 16 and o["noise"]["steps"] == 2 and not o["noise"]["obstacle"], f"{o}")
    expect(o["peak_bytes"] == o["forecast_bytes"], f"{o}")


@case("train: the defaults that the help states are those that are used")
def _(t):
    used = one_object(t.run("train", t.net, t.data, "--device", "reference", "--json"))
    stated = dict(re.findall(r"--([a-z-]+)=\w+ (?:(?!--)[^(])*?\(default\s+([0-9.]+)[;),]",
                             t.run("train", "--help").out))
    for name in ("batch", "epochs", "lr", "momentum", "seed", "weight-decay"):
        expect(float(stated[name]) == used[name.replace("-", "_")],
               f"--{name}: {stated[name]}, but {used[name.replace('-', '_')]} is used")


ADAM = ("momentum", "nesterov", "beta1", "beta2", "epsilon", "weight_decay")


@case("train --optimizer: settings in the line, the object, the log and the checkpoint; defaults; memory as planned")
def _(t):
    def told(*arguments):
        o = one_object(t.run("train", t.net, t.data, "--device", "reference", "--steps", "9", "--json", *arguments))
        return o["optimizer"], o["lr"], [o[key] for key in ADAM], o
    name, lr, settings, sgd = told()
    expect((name, lr, settings) == ("sgd", 0.02, [0.9, False, None, None, None, 0]), f"{sgd}")
    expect(told("--optimizer", "sgd")[3]["weights_sha256"] == sgd["weights_sha256"], "sgd is not the default")
    name, lr, settings, adam = told("--optimizer", "adam")
    expect((name, lr, settings) == ("adam", 0.001, [None, None, 0.9, 0.999, 1e-8, 0]), f"{adam}")
    name, lr, settings, adamw = told("--optimizer", "adamw", "--beta1", "0.8", "--beta2", "0", "--epsilon", "1e-3",
                                     "--weight-decay", "0.1", "--lr", "0.02")
    expect((name, lr, settings) == ("adamw", 0.02, [None, None, 0.8, 0, 1e-3, 0.1]), f"{adamw}")
    given = told("--optimizer", "adam", "--lr", "0.001", "--beta1", "0.9", "--beta2", "0.999", "--epsilon", "1e-8")[3]
    expect(given["weights_sha256"] == adam["weights_sha256"] != adamw["weights_sha256"], "digests")
    for o in (sgd, adam, adamw):
        plan = forecast(t, "--optimizer", o["optimizer"])
        expect(o["peak_bytes"] == o["forecast_bytes"] == plan["bytes_total"], f"{o} {plan}")
        expect(plan["parts"]["second state"] == (plan["parts"]["optimizer state"] if o is not sgd else 0), f"{plan}")
    own = {"rmsprop": "alpha", "lion": "beta1", "lars": "trust", "lamb": "epsilon", "sgd": "momentum"}
    for name, key in own.items():
        o = told("--optimizer", name, "--clip", "0.5", "--weight-decay", "0.1", "--decay-on", "weights")[3]
        plan = forecast(t, "--optimizer", name, "--clip", "0.5")
        expect(o["peak_bytes"] == o["forecast_bytes"] == plan["bytes_total"], f"{o} {plan}")
        expect((o["clip"], o["decay_on"], o[key] is None) == (0.5, "weights", False), f"{o}")
        expect(o["weights_sha256"] != told("--optimizer", name)[3]["weights_sha256"], f"{name}: neither is used")
    folder = t.place()
    out = t.train("--steps", "9", "--optimizer", "adamw", "--weight-decay", "0.1", "--save", folder / "c", "--log",
                  folder / "log").out
    settings = re.search(r"^settings     (.*)$", out, re.M)[1]
    expect("  adamw, betas 0.9 and 0.999, epsilon 1e-08  weight decay 0.1  seed" in settings
           and "momentum" not in settings, settings)
    expect(one_object(t.run("eval", folder / "c", t.data, "--device", "reference", "--json"))["training"] == settings,
           "the checkpoint says otherwise")
    log = [json.loads(line) for line in (folder / "log").read_text().splitlines()]
    expect(log[0]["run"]["optimizer"] == log[-1]["result"]["optimizer"] == "adamw", f"{log[0]}")


@case("train with loss mse prints `test loss L`, and null for the accuracy")
def _(t):
    net = t.place() / "mse"
    net.write_text(NET + "loss mse\n")
    result = t.train("--steps", "5", net=net)
    expect(LAST_MSE.search(result.out) and "test accuracy" not in result.out, "not the result", result)
    share = re.search(r"^metrics      accuracy (\d\.\d{4})$", result.out, re.M)
    found = one_object(t.train("--steps", "5", "--json", net=net))
    expect(found["accuracy"] is None and share and abs(float(share[1]) - found["metrics"]["accuracy"]) < 1e-4,
           f"{found}", result)


@case("train --epochs and the same number of --steps end in the same weights")
def _(t):
    expect(t.train("--epochs", "2").digest() == t.train("--steps", "30").digest(), "digests differ")


@case("train: a batch of all examples, of 1, and one with a rest; lr 0 leaves the weights")
def _(t):
    digests = {t.train("--batch", b, "--steps", "2").digest() for b in ("240", "1", "7", "239")}
    expect(len(digests) == 4, f"{digests}")
    expect(t.train("--lr", "0", "--steps", "1").digest() == t.train("--lr", "0", "--steps", "9").digest(),
           "lr 0 moves weights")


@case("train --drop-last: the last, smaller batch of an epoch is left out")
def _(t):
    result = one_object(t.run("train", t.net, t.data, "--device", "reference", "--epochs", "2", "--batch", "7",
                              "--drop-last", "--json"))
    expect(result["drop_last"] is True and result["steps"] == 2 * (result["examples"] // 7), f"{result}")
    expect("batch 7 (the last one dropped) lr" in t.train("--batch", "7", "--drop-last").out, "settings")


@case("train --batch-schedule: the batch of each step, the same bits in tiles, epochs, and what is printed")
def _(t):
    schedule = ("--batch-schedule", "16,5:64,9:7")
    log = t.place() / "log.jsonl"
    command = ("train", t.net, t.data, "--device", "reference", *schedule)
    digests = {t.run(*command, "--steps", "20", *more).digest()
               for more in ((), ("--tile", "1"), ("--tile", "7"), ("--log", str(log)), ("--validation", "0.5%"))}
    expect(len(digests) == 2, f"{digests}")  # fewer examples to train with a validation
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    steps = [line for line in lines if "step" in line]
    expect([s["batch"] for s in steps] == [16] * 5 + [64, 64, 32] + [64] + [7] * 11, f"{steps}")
    expect(lines[0]["run"]["batches"] == [{"step": 0, "batch": 16}, {"step": 5, "batch": 64}, {"step": 9, "batch": 7}],
           f"{lines[0]}")
    expect("settings     batch 16,5:64,9:7 lr" in t.run(*command, "--steps", "20").out, "settings")
    o = one_object(t.run(*command, "--epochs", "2", "--json"))
    expect(o["steps"] == 8 + 1 + 26 and o["epochs"] == 2, f"{o}")  # 240 = 5 16 + 2 64 + 32 = 64 + 25 7 + 1
    plan = one_object(t.run("plan", t.net, t.data, "--device", "reference", *schedule, "--json"))
    expect(plan["bytes_total"] == o["forecast_bytes"] == o["peak_bytes"] and plan["batch"] == 64, f"{plan} {o}")


@case("train --schedule seesaw: doubles the batch, prints it as a schedule, and keeps to a tenth of the examples")
def _(t):
    settings = ("--schedule", "seesaw", "--decay-steps", "4", "--batch", "5", "--steps", "20")
    first = t.train(*settings)
    expect("batch 5,4:10,6:20 lr" in first.out and "halved at a batch of 20" in first.out, "settings", first)
    rates = []
    log = t.place() / "log.jsonl"
    t.train(*settings, "--batch-most", "10", "--lr", "0.08", "--log", str(log))
    for line in log.read_text().splitlines():
        o = json.loads(line)
        if "step" in o:
            rates.append((o["batch"], round(o["lr"], 6)))
    expect(rates[:9] == [(5, 0.08)] * 4 + [(10, 0.056569)] * 2 + [(10, 0.028284)] * 2 + [(10, 0.014142)], f"{rates}")


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
    expect(all(isinstance(line["loss"], float) and line["lr"] == 0.05 for line in lines[1:-1]),
           "a step lacks its figures")


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
        expect(t.run("train", net, data, "--device", "reference", "--batch", "16", "--lr", "0.05", "--steps", "5",
                     cwd=folder).digest() == plain,
               f"{net} {data}")
    for env in ({"LC_ALL": "de_DE.UTF-8"}, {"LC_ALL": "tr_TR.UTF-8"}, {"HOME": "/proc"}, {"HOME": ""},
                {"XDG_CACHE_HOME": "relative"}):
        result = t.train("--steps", "5", "--lr", "0.05", env=env)
        expect(result.digest() == plain, f"{env}", result)


@case("train on a terminal: one line that is written over, with the time left; never as wide as the terminal")
def _(t):
    for columns in (0, 20, 30, 45, 60, 120):
        ours, theirs = pty.openpty()
        if columns:
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        child = t.start("train", t.net, t.data, "--device", "reference", "--batch", "7", "--epochs", "300",
                        stderr=theirs)
        os.close(theirs)
        seen = b""
        with contextlib.suppress(OSError):
            while more := os.read(ours, 65536):
                seen += more
        out = child.communicate()[0].decode()
        os.close(ours)
        expect(child.returncode == 0 and LAST.search(out), f"status {child.returncode}, {out}")
        lines = seen.decode().rstrip("\r\n").split("\r\x1b[K")[1:]
        expect(len(lines) > 1 and "\n" not in "".join(lines) and seen.endswith(b"\n"), f"{seen[-300:]}")
        expect(max(map(len, lines)) < (columns or 80), f"{columns} columns: {max(lines, key=len)!r}")
        expect(columns != 20 or len(lines[-1]) == 19, f"not cut at the end: {lines[-1]!r}")
        for part, least in (("step 10500/10500", 20), (" left", 45), ("epoch 300/300", 60), ("examples/s", 80)):
            expect((part in lines[-1]) == ((columns or 80) >= least), f"{part} in {columns} columns: {lines[-1]!r}")


@case("train: a network with more outputs than there are classes trains, with a note")
def _(t):
    net = t.place() / "n"
    net.write_text(NET.replace("dense 4", "dense 20"))
    result = t.train("--steps", "2", net=net).says("20 outputs", "4 classes")
    expect(result.err.count("note") == 1, "said more than once", result)
    expect(t.train("--steps", "2").err.count("note") == 0, "a note for nothing")


@case("train: numbers are printed as people write them")
def _(t):
    out = t.train("--steps", "1", "--lr", "100", "--weight-decay", "1000", "--momentum", "0.25").out
    expect("lr 100  momentum 0.25  weight decay 1000  seed" in out, out)
    out = t.train("--steps", "1", "--lr", "0.00002").out
    expect("lr 0.00002  momentum 0.9  weight decay 0  seed" in out, out)



@case("a loss that is no longer finite: status 1, the step and the tensor; --save has the last good weights")
def _(t):
    folder = t.place()
    save = t.checkpoint(folder / "s")
    (folder / "n").write_text(NET.replace("relu", "dense 8") + "loss mse\n")
    settings = ("--lr", "1e4", "--epochs", "9")
    result = t.train(*settings, "--save", save, "--log", folder / "l", net=folder / "n", status=1)
    found = re.search(r"step (\d+)\D.*?(\d+\.\w+[.\w]*)", result.err.split("tassello train:")[1])
    expect(found and int(found[1]) > 1, "no step and tensor", result)
    last = int(found[1]) - 1
    result.says("not finite", "lr 10000", f"--save {save}", f"step {last}")
    expect(not LAST.search(result.out) and "sha256" not in result.out, "a result", result)
    expect(leftovers(folder) == ["l", "n", "s"], f"{leftovers(folder)}", result)
    logged = json.loads((folder / "l").read_text().splitlines()[-1])["result"]
    expect(str(logged["bad_step"]) == found[1] and logged["bad_tensor"] in result.err, f"{logged}", result)
    expect(logged["weights_step"] == last, f"{logged}", result)
    shorter = one_object(t.train("--lr", "1e4", "--steps", last, "--json", net=folder / "n", status=None))
    loaded = one_object(t.run("eval", save, t.data, "--device", "reference", "--json", status=None))
    expect(loaded["weights_sha256"] == shorter["weights_sha256"], "other weights")
    expect(f"step {last} " in loaded["training"], f"{loaded}")
    again = t.train(*settings, net=folder / "n", status=1)
    expect(again.err.split("tassello train:")[1] == result.err.split("tassello train:")[1], "another step or tensor",
           again)


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
            saved = "test loss" in result.out or "written with" in result.err
            expect(result.status == 1 and save.exists() == saved, "not saved, or saved what is no result", result)
            result.says("finite")
    expect(ends == {"whole", "test", "step"}, f"not each way to end was seen: {ends}")


@case("progress: thousands of epochs are a line a second, and the last one")
def _(t):
    result = t.train("--epochs", "4000", "--batch", "240").says("step 4000/4000  epoch 4000/4000")
    expect(result.err.count("\n") <= result.seconds + 2, "too many lines", result)


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


@case("train --schedule, --warmup, --lr-scaling: each step's rate; the settings, the object and the checkpoint")
def _(t):
    found, run = rates(t)
    expect(found == [0.05] * 20 and run["schedule"] == "constant" and run["lr_scaled"] == run["lr"] == 0.05,
           f"{found} {run}")
    expect(all(run[key] is None for key in ("base_batch", "decay_steps", "decay", "lr_end")) and run["warmup"] == 0,
           f"{run}")
    found, run = rates(t, "--warmup", "5")
    expect(near(found, [0.01, 0.02, 0.03, 0.04] + [0.05] * 16) and run["warmup"] == 5, f"{found}")
    found, run = rates(t, "--schedule", "step", "--decay-steps", "6", "--decay", "0.5", "--warmup", "2", "--lr", "0.08")
    expect(near(found, [0.04, 0.08] + [0.08] * 6 + [0.04] * 6 + [0.02] * 6), f"{found}")
    expect(run["schedule"] == "step" and run["decay_steps"] == 6 and run["decay"] == 0.5 and run["lr_end"] is None,
           f"{run}")
    found, run = rates(t, "--schedule", "step", "--decay-steps", "15")
    expect(near(found, [0.05] * 15 + [0.005] * 5), f"the decay's default: {found}")
    found, run = rates(t, "--schedule", "cosine", "--lr-end", "0.01", "--lr", "0.05")
    expect(near([found[0], found[5], found[10], found[15]],
                [0.05, 0.03 + 0.02 * 0.5 ** 0.5, 0.03, 0.03 - 0.02 * 0.5 ** 0.5]), f"{found}")
    expect(all(a > b > 0.01 for a, b in zip(found, found[1:])) and run["lr_end"] == 0.01, f"{found} {run}")
    found, run = rates(t, "--lr-scaling", "linear")
    expect(near(found, [0.0125] * 20) and run["lr"] == 0.05 and run["lr_scaled"] == 0.0125 and run["base_batch"] == 64,
           f"{found} {run}")
    found, run = rates(t, "--lr-scaling", "sqrt", "--base-batch", "4", "--schedule", "cosine", "--lr-end", "0.05")
    expect(near(found, [0.1] * 20) and run["lr_scaling"] == "sqrt" and run["base_batch"] == 4, f"{found} {run}")

    folder = t.place()
    arguments = ("--steps", "20", "--lr-scaling", "linear", "--base-batch", "8", "--warmup", "3", "--schedule", "step",
                 "--decay-steps", "9")
    out = t.train(*arguments, "--save", folder / "c").out
    settings = re.search(r"^settings     (.*)$", out, re.M)[1]
    expect(settings.startswith("batch 16 lr 0.05 (0.1: linear scaling from a batch of 8)  warm-up 3  "
                               "schedule step: times 0.1 every 9  momentum"), settings)
    expect(one_object(t.run("eval", folder / "c", t.data, "--device", "reference", "--json"))["training"] == settings,
           "the checkpoint says otherwise")
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


@case("train --validation: a line an epoch, a list in the object and the log, the forecast exact, the same twice")
def _(t):
    log, folder = t.place() / "log", t.place()
    flags = ("--epochs", "4", "--validation", "25%", "--log", log, "--save", folder / "c")
    o = one_object(t.train(*flags, "--json"))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    expect(o["examples"] == 180 and o["held_out"] == 60 and o["steps"] == 48 and o["epochs"] == 4, f"{o}")
    expect([v["step"] for v in o["validation"]] == [12, 24, 36, 48]
           and [v["epochs"] for v in o["validation"]] == [1, 2, 3, 4], f"{o}")
    expect([line["validation"] for line in lines if "validation" in line] == o["validation"], f"{lines}")
    expect(list(lines[13]) == ["validation"] and lines[14]["step"] == 13, f"{lines[12:15]}")
    expect(o["validation"][-1]["loss"] < o["validation"][0]["loss"], f"it does not learn: {o}")
    expect(all(round(v["accuracy"] * 60) == v["accuracy"] * 60 for v in o["validation"]), f"{o}")
    expect(o["forecast_bytes"] == o["peak_bytes"], f"{o}")
    result = t.train(*flags)
    last = o["validation"][-1]
    expect(result.digest() == o["weights_sha256"], "another digest", result)
    result.says(f"step 48/48  validation accuracy {last['accuracy']:.4f} loss {last['loss']:.4f}\n")
    expect(f"\nvalidation   accuracy {last['accuracy']:.4f} loss {last['loss']:.4f}" in result.out, "not at the end",
           result)
    expect("180 examples to train, 60 held out, 80 to test" in result.out and "seed 1  validation 60\n" in result.out,
           "not told", result)
    o = one_object(t.train("--steps", "13", "--validation", "61", "--json"))
    expect(o["examples"] == 179 and [v["step"] for v in o["validation"]] == [12, 13],
           f"the end of a run within an epoch: {o}")
    net = folder / "mse"
    net.write_text(NET + "loss mse\n")
    o = one_object(t.train("--steps", "5", "--validation", "9", "--json", net=net))
    expect(o["validation"][0]["accuracy"] is None and o["validation"][0]["loss"] > 0, f"{o}")
    expect("\nvalidation   loss " in t.train("--steps", "5", "--validation", "9", net=net).out, "no line under mse")
    for o in (one_object(t.train("--steps", "5", "--json")),
              one_object(t.train("--steps", "5", "--examples", "240", "--json"))):
        expect("validation" not in o and o["held_out"] == 0 and o["examples"] == 240, f"{o}")


@case("train --patience, --save-best: the end, the file, what they go by")
def _(t):
    folder = t.place()
    flags = ("--epochs", "9", "--validation", "25%", "--lr", "3", "--patience", "2")  # it gets worse
    o = one_object(t.train(*flags, "--save", folder / "last", "--save-best", folder / "best", "--json"))
    losses = [v["loss"] for v in o["validation"]]
    best = losses.index(min(losses))
    expect(len(losses) == best + 3 < 9 and o["stopped_early"] and o["steps"] == 12 * len(losses), f"{o}")
    expect(o["best_step"] == 12 * (best + 1) and o["patience"] == 2 and o["watch"] == "loss", f"{o}")
    kept = one_object(t.run("eval", folder / "best", t.data, "--device", "reference", "--json"))
    expect(f"step {o['best_step']} of a run" in kept["training"], f"{kept}")
    whole = one_object(t.train(*flags[:-2], "--save-best", folder / "b", "--json"))
    expect(whole["steps"] == 108 and not whole["stopped_early"] and "patience" not in whole, f"{whole}")
    if whole["best_step"] == o["best_step"]:
        expect((folder / "b").read_bytes() == (folder / "best").read_bytes(), "the best weights differ")
    else:
        expect(whole["best_step"] > o["steps"], f"{whole} {o}")
    out = t.train(*flags).out
    expect("\npatience     ended after 2 validations in a row" in out and "  patience 2\n" in out, out)
    o = one_object(t.train(*flags, "--watch", "accuracy", "--json"))
    shares = [v["accuracy"] for v in o["validation"]]
    expect(len(shares) == min(shares.index(max(shares)) + 3, 9) and o["watch"] == "accuracy", f"{o}")
    (folder / "mse").write_text(NET + "loss mse\n")
    t.train(*flags, "--watch", "accuracy", net=folder / "mse", status=2).says("--watch accuracy: the loss of")
    for arguments, words in (
        (("--patience", "2"), "--patience requires --validation"),
        (("--save-best", folder / "x"), "--save-best requires --validation"),
        (("--watch", "accuracy", "--validation", "25%"), "--watch requires --patience or --save-best"),
        (("--validation", "25%", "--save-best", "-"), "--save-best -: expected a file"),
        (("--validation", "25%", "--save-best", folder / "x", "--save", folder / "x"), "two different files"),
        (("--validation", "25%", "--save-best", folder / "x", "--log", folder / "x"), "two different files"),
    ):
        t.train("--steps", "1", *arguments, status=2).says(words)


@case("train --examples: so many, drawn from the seed; with --validation, which is taken from them")
def _(t):
    digests = [t.train("--steps", "9", *more).digest() for more in (
        ("--examples", "100"), ("--examples", "100"), ("--examples", "101"), ("--examples", "100", "--seed", "2"),
        ("--examples", "240"), ())]
    expect(digests[0] == digests[1] and len(set(digests[:4])) == 3 and digests[4] == digests[5], f"{digests}")
    o = one_object(t.train("--steps", "9", "--examples", "100", "--validation", "30", "--json"))
    expect(o["examples"] == 70 and o["held_out"] == 30, f"{o}")
    out = t.train("--steps", "9", "--examples", "100", "--validation", "30%").out
    expect("70 examples to train, 30 held out, 80 to test" in out and "  examples 100  validation 30\n" in out, out)


if __name__ == "__main__":
    sys.exit(main(__doc__))
