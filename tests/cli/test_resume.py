#!/usr/bin/env python3
"""train --resume and --save-every. TASSELLO_KILLS: how many runs are killed (default 8)."""
import json
import os
import random
import shutil
import signal
import sys
import time

from checks import POCL
from common import case, expect, leftovers, main, one_object, POCL_ICD

KILLS = int(os.environ.get("TASSELLO_KILLS", 8))
NOT_THE_SAME = {"seconds", "start_seconds", "examples_per_s", "peak_bytes", "host_bytes", "resumed_step", "device",
                "device_name", "forecast_bytes", "tile", "tiles", "budget"}
CONV = ("input data normalize\naugment shift 1\nconv2d 4 3 padding 1\nbatch_norm\nrelu\nmax_pool 2\nflatten\n"
        "dense 8 as frozen\ntanh\ndropout 0.2\ndense data\nloss data\nfreeze frozen\n")
KINDS = (
    ("--optimizer", "adamw", "--schedule", "cosine", "--warmup", "9", "--noise"),
    ("--momentum", "0.9", "--validation", "10%", "--patience", "40"),
    ("--optimizer", "lamb", "--batch-schedule", "8,50:24,70:12", "--lr-scaling", "auto"),
    ("--optimizer", "rmsprop", "--schedule", "seesaw", "--decay-steps", "30", "--batch", "8"),
    ("--batch", "grow", "--batch-least", "4", "--lr", "0.01", "--validation", "10%"),
)


def conv_net(t):
    net = t.root / "conv net"
    if not net.exists():
        net.write_text(CONV)
    return net


def kind_of(t, i):
    net, epochs = (conv_net(t), "6") if i % 2 else (t.net, "14")
    return ("train", net, t.data, "--epochs", epochs, *KINDS[i % len(KINDS)])


def alike(a, b):
    """Two results are those of one run, but for how long it took, and where it ran."""
    for key in (set(a) | set(b)) - NOT_THE_SAME:
        x, y = a.get(key), b.get(key)
        if key == "grow":
            x, y = ({k: v for k, v in o.items() if k != "decision_s"} for o in (x, y))
        if key == "target":
            for o in (x, y):
                for look in o["evaluations"] + [o["reached"] or {}]:
                    look.pop("seconds", None)
        expect(x == y, f"{key}: {y}, expected {x}")


def kill_and_resume(t, draw, words, other_device, whole):
    """A run that is killed once to three times, each time after a while of its own; gives how often."""
    folder = t.place()
    file, kills = folder / "s", 0
    device, more = ("reference",), {}
    save = ("--save", file, "--save-every", draw.choice((2, 5, 11)))
    for _ in range(draw.randint(1, 3)):
        resume = ("--resume", file) if file.exists() else ()
        expect(resume or not (folder / "s.previous").exists(), "only the earlier file is there")
        child = t.start(*words, "--device", *device, *resume, *save, **more)
        time.sleep(draw.uniform(0, 1.1 * whole.seconds))
        if child.poll() is None:
            child.kill()
            kills += 1
        child.communicate()
        if other_device:
            device, more = (("pocl",), {"env": POCL}) if device == ("reference",) else (("reference",), {})
    resume = ("--resume", file) if file.exists() else ()
    last = t.run(*words[:3] if resume else words, "--device", *device, *resume, *save, "--json", **more)
    alike(one_object(whole), one_object(last))
    expect(set(leftovers(folder)) <= {"s", "s.previous"}, f"{leftovers(folder)}", last)
    shutil.rmtree(folder)
    return kills


@case(f"{KILLS} runs are killed at random moments and resumed, every fifth on another device: all end the same")
def _(t):
    seed = int(os.environ.get("TASSELLO_SEED", random.randrange(1 << 30)))
    draw, whole, kills, others, begin = random.Random(seed), {}, 0, 0, time.monotonic()
    print(f"# TASSELLO_SEED={seed}", flush=True)
    for i in range(KILLS):
        kind = i % len(KINDS)
        if kind not in whole:
            whole[kind] = t.run(*kind_of(t, kind), "--device", "reference", "--json")
        other_device = i % 5 == 4 and os.path.exists(POCL_ICD)
        try:
            kills += kill_and_resume(t, draw, kind_of(t, kind), other_device, whole[kind])
        except AssertionError as error:
            raise AssertionError(f"run {i}, {KINDS[kind]}, seed {seed}: {error}") from None
        others += other_device
    print(f"# {KILLS} of {KILLS} runs ended alike after {kills} kills, {others} of them in part on PoCL, in "
          f"{time.monotonic() - begin:.0f} s", flush=True)


@case("a run goes on to the same end; NET, DATA and the file are enough")
def _(t):
    file = t.place() / "s"
    words = ("train", t.net, t.data, "--device", "reference", "--batch", "4", "--optimizer", "adam", "--examples",
             "200", "--validation", "10%", "--seed", "5", "--epochs")
    whole = t.run(*words, "9", "--json")
    begun = t.run(*words, "3", "--save", file)
    alike(one_object(whole), one_object(t.run(*words[:5], "--resume", file, "--epochs", "9", "--json")))
    told = t.run(*words[:5], "--resume", file, "--epochs", "9")
    expect(f"resumed      {file}, after step 135 of 405" in told.out, "not said", told)
    expect(told.digest() == one_object(whole)["weights_sha256"] != begun.digest(), "another digest", told)
    expect(t.run(*words[:5], "--resume", file).digest() == begun.digest(), "a run that is over is another", begun)
    t.fails(2, ("its run is after step 135, but this one has only 90 steps",), *words[:5], "--resume", file, "--epochs",
            "2")


@case("SIGINT, then --resume: the same end as without it, with all evaluations")
def _(t):
    file = t.place() / "s"
    words = ("train", t.net, t.data, "--device", "reference", "--batch", "2", "--validation", "10%", "--epochs", "150")
    whole = t.run(*words, "--json")
    child = t.start(*words, "--save", file)
    time.sleep(0.4 * whole.seconds)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=60)
    if child.returncode == 130:
        alike(one_object(whole), one_object(t.run(*words[:5], "--resume", file, "--json")))


@case("a run that its patience or its target ends does so at the same step when it is resumed")
def _(t):
    for words in (("--patience", "2", "--lr", "0.5"), ("--until-accuracy", "0.8", "--lr", "0.02"),
                  ("--until-loss", "0.7", "--lr", "0.02")):
        file = t.place() / "s"
        words = ("train", t.net, t.data, "--device", "reference", "--batch", "8", "--validation", "20%", "--epochs",
                 "60", *words)
        whole = one_object(t.run(*words, "--json", "--save", file, "--save-every", "7"))
        expect(whole["steps"] < 60 * 24, f"it was not ended: {whole['steps']} steps")
        for name in (file, f"{file}.previous"):
            last = one_object(t.run(*words[:5], "--resume", name, "--json"))
            expect(last["resumed_step"] <= whole["steps"], f"{last}")
            alike(whole, last)


@case("settings that would change the result are refused and named; a longer run is not, unless its rates are others")
def _(t):
    folder = t.place()
    file, words = folder / "s", ("train", t.net, t.data, "--device", "reference", "--resume", folder / "s")
    t.train("--epochs", "2", "--save", file)
    for option, value, text in (("--lr", "0.1", "lr 0.05 there, 0.1 here"), ("--batch", "8", "batch 16 there, 8 here"),
                                ("--seed", "9", "seed 1 there, 9 here"),
                                ("--optimizer", "adam", "optimizer sgd there, adam here"),
                                ("--weight-decay", "0.1", "weight_decay 0 there, 0.1 here"),
                                ("--momentum", "0.5", "momentum 0.9 there, 0.5 here"),
                                ("--batch-schedule", "16,3:8", "batches 16 there, 16,3:8 here"),
                                ("--validation", "10%", "240 examples, not the 216"),
                                ("--schedule", "cosine", "schedule constant there, cosine here")):
        t.fails(1 if "not the" in text else 2, (str(file), text), *words, option, value)
    t.fails(2, ("--resume and --batch auto",), *words, "--batch", "auto")
    t.fails(2, ("--log and --resume",), *words, "--log", file)
    t.fails(2, ("--save-best and --resume",), *words, "--save-best", file, "--validation", "10%")
    whole = t.train("--epochs", "5")
    expect(t.run(*words, "--epochs", "5").digest() == whole.digest(), "another digest than a run of that length", whole)
    expect(t.run(*words, "--steps", "75", "--tile", "3", "--budget", "50%").digest() == whole.digest(), "steps", whole)
    t.train("--epochs", "2", "--schedule", "cosine", "--save", file)
    t.fails(2, ("30 steps, not 75", "cosine"), *words, "--epochs", "5")
    t.train("--epochs", "2", "--validation", "10%", "--save", file)
    t.fails(2, ("--until-loss", "no target"), *words, "--until-loss", "0.1")


@case("another network, other data, a file without state, none at all")
def _(t):
    folder = t.place()
    file, words = folder / "s", ("--device", "reference", "--resume", folder / "s")
    t.train("--epochs", "1", "--save", file, "--validation", "10%", "--save-best", folder / "best")
    (folder / "net").write_text("input 1x8x8\ndense 9\nrelu\ndense 4\n")
    t.fails(1, ("'dense 8' there, 'dense 9'",), "train", folder / "net", t.data, *words)
    other = folder / "other"
    shutil.copytree(t.data, other)
    images = other / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-1] + bytes([images.read_bytes()[-1] ^ 1]))
    t.fails(1, ("other data", "fingerprint"), "train", t.net, other, *words)
    t.fails(1, ("has weights, but not the state of a run",), "train", t.net, t.data, *words[:3], folder / "best")
    t.fails(1, ("No such file",), "train", t.net, t.data, *words[:3], folder / "none")
    t.fails(1, ("expected a safetensors checkpoint",), "train", t.net, t.data, *words[:3], folder / "net")
    whole = file.read_bytes()
    for old, new, text in ((rb'\"lr\":\"0.05\"', rb'\"lr\":\"0.0x\"', "damaged"), (b'seconds', b'sceonds', "expected")):
        if old in whole:
            file.write_bytes(whole.replace(old, new))
            t.run("train", t.net, t.data, *words, status=None).says(text)
    for _ in range(20):
        file.write_bytes(whole[:random.randrange(len(whole))])
        t.fails(1, (str(file),), "train", t.net, t.data, *words)


@case("--save-every: by steps and by time, with the file before; and what it requires")
def _(t):
    folder = t.place()
    file = folder / "s"
    t.train("--steps", "20", "--save", file, "--save-every", "8", "--log", folder / "log")
    expect(leftovers(folder) == ["log", "s", "s.previous"], f"{leftovers(folder)}")
    lines = [json.loads(line) for line in (folder / "log").read_text().splitlines()]
    expect([line["saved"] for line in lines if "saved" in line] == [8, 16], f"{lines}")
    for name, step in ((file, 20), (folder / "s.previous", 16)):
        o = one_object(t.run("train", t.net, t.data, "--device", "reference", "--resume", name, "--json"))
        expect(o["resumed_step"] == step and o["steps"] == 20, f"{o}")
    child = t.start("train", t.net, t.data, "--device", "reference", "--epochs", "1000000000", "--save", folder / "t",
                    "--save-every", "1s")
    end = time.monotonic() + 60
    while not (folder / "t.previous").exists() and time.monotonic() < end:
        time.sleep(0.05)
    child.kill()
    child.communicate()
    expect((folder / "t.previous").exists() and (folder / "t").exists(), "no two files within a minute")
    for text in ("0", "x", "5d", "m", "-1", "1.5m"):
        t.fails(2, ("--save-every", "number of steps, or a time"), "train", t.net, t.data, "--save", file,
                f"--save-every={text}")
    t.fails(2, ("--save-every requires --save",), "train", t.net, t.data, "--save-every", "5")
    t.fails(2, ("--save-every and --log: expected two different files",), "train", t.net, t.data, "--save", file,
            "--save-every", "5", "--log", f"{file}.previous")


@case("--save-every into a folder that has gone: it is said, and training goes on")
def _(t):
    folder = t.place()
    (folder / "gone").mkdir()
    child = t.start("train", t.net, t.data, "--device", "reference", "--epochs", "1000000000", "--save",
                    folder / "gone" / "s", "--save-every", "1s")
    for line in child.stderr:
        if line.startswith(b"step "):
            break
    shutil.rmtree(folder / "gone")
    for line in child.stderr:
        if b"cannot be written" in line:
            break
    expect(child.poll() is None, f"it ended with {child.returncode}")
    child.kill()
    child.communicate()


@case("--log goes on behind what is there, with all steps; the noise figures are those of the whole run")
def _(t):
    folder = t.place()
    words = ("--batch", "16", "--momentum", "0", "--noise", "--lr", "0.05")
    whole = one_object(t.train("--steps", "96", *words, "--json"))
    t.train("--steps", "50", *words, "--save", folder / "s", "--log", folder / "log")
    with open(folder / "log", "a") as log:
        log.write('{"step": 51, "ep')  # as a kill leaves it
    last = one_object(t.run("train", t.net, t.data, "--device", "reference", "--resume", folder / "s", "--steps", "96",
                            "--log", folder / "log", "--json"))
    alike(whole, last)
    lines = (folder / "log").read_text().splitlines()
    steps = [o["step"] for o in (json.loads(line) for line in lines if '"ep' != line[-3:]) if "step" in o]
    expect(steps == list(range(1, 97)), f"{steps}")


@case("--batch auto: the file has the batch that was chosen")
def _(t):
    folder = t.place()
    words = ("train", t.net, t.data, "--device", "reference", "--epochs", "3")
    first = one_object(t.run(*words, "--batch", "auto", "--save", folder / "s", "--json"))
    last = one_object(t.run(*words[:-1], "6", "--resume", folder / "s", "--json"))
    expect(last["batch"] == first["batch"] and last["lr"] == first["lr"] and last["steps"] == 2 * first["steps"],
           f"{first} {last}")


if __name__ == "__main__":
    sys.exit(main(__doc__))
