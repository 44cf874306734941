#!/usr/bin/env python3
"""--shards of train, plan and sweep."""
import random
import re
import sys

from checks import forecast, POCL
from common import below_layer, case, count_calls, expect, main, one_object, POCL_ICD

NORMED = "input 1x8x8\nconv2d 4 3\nbatch_norm\nrelu\ndropout 0.25\nglobal_avg_pool\ndense 4\n"


def net_of(t):
    net = t.place() / "normed.net"
    net.write_text(NORMED)
    return net


@case("shards: they decide bits; tiles, budgets and shards without examples do not")
def _(t):
    for net in (t.net, net_of(t)):
        def digest(*more):
            return t.run("train", net, t.data, "--device", "reference", "--steps", "7", *more).digest()
        one = digest("--batch", "50")
        expect(digest("--batch", "50", "--shards", "1") == one, "1 is not the default")
        eight = digest("--batch", "50", "--shards", "8")
        expect(eight != one, "8 shards have the bits of one")
        least = str(forecast(t, "--batch", "50", "--shards", "8", net=net)["min_budget"])
        for more in (("--tile", "1"), ("--tile", "3"), ("--budget", least), ("--keep-on-host",)):
            expect(digest("--batch", "50", "--shards", "8", *more) == eight, f"{more}")
        expect(digest("--batch", "5", "--shards", "8") == digest("--batch", "5", "--shards", "4096"), "empty shards")


@case("shards: pocl has the bits of the reference, ragged batches and batch normalization", POCL_ICD)
def _(t):
    for net in (t.net, net_of(t)):
        command = ("train", net, t.data, "--epochs", "1", "--batch", "50", "--shards", "8")
        wanted = t.run(*command, "--device", "reference").digest()
        expect(t.run(*command, "--device", "pocl", env=POCL).digest() == wanted, "pocl")
        expect(t.run(*command, "--device", "pocl", "--tile", "3", env=POCL).digest() == wanted, "pocl in tiles")


@case("shards: the plan is what a run takes, and a tile has examples of one shard")
def _(t):
    for net in (t.net, net_of(t)):
        for shards in (1, 8, 64):
            more = ("--batch", "50", "--shards", str(shards))
            plan = forecast(t, *more, net=net)
            result = one_object(t.run("train", net, t.data, "--device", "reference", "--steps", "5", "--json", *more))
            size = -(-50 // shards)
            expect(plan["tile"] <= size and plan["tiles"] >= -(-50 // size), f"{plan}")
            expect(result["peak_bytes"] == plan["bytes_total"] and result["tile"] == plan["tile"], f"{plan} {result}")
            expect(result["shards"] == shards, f"{result}")
            expect((plan["parts"]["node sums"] > 0) is (shards > 1), f"{plan}")
    text = t.run("train", t.net, t.data, "--device", "reference", "--steps", "2", "--shards", "8").out
    expect(re.search(r"batch 64 in 8 shards lr", text), text)


@case("shards: what is no power of two up to 4096 is wrong usage")
def _(t):
    for command in (("train", t.net, t.data), ("plan", t.net, t.data), ("sweep", t.net, t.data)):
        t.fails(2, ("--shards 3", "power of two"), *command, "--shards", "3")
        for wrong in ("0", "-8", "8192", "4294967297", "x", ""):
            t.fails(2, ("--shards", "whole number from 1 to 4096"), *command, f"--shards={wrong}")


@case("shards: a checkpoint remembers them, and a run with others is another run")
def _(t):
    save = t.place() / "run.safetensors"
    command = ("train", t.net, t.data, "--device", "reference", "--epochs", "2", "--batch", "50")
    whole = t.run(*command, "--shards", "8").digest()
    t.run("train", t.net, t.data, "--device", "reference", "--batch", "50", "--shards", "8", "--steps", "3", "--save",
          save)
    again = t.run("train", t.net, t.data, "--device", "reference", "--resume", save, "--epochs", "2", "--tile", "2")
    expect(again.digest() == whole, "the resumed run has other bits")
    t.fails(2, ("shards 8 there, 4 here",), "train", t.net, t.data, "--device", "reference", "--resume", save,
            "--epochs", "2", "--shards", "4")


@case("shards: a sweep's advice names them, and its state depends on them")
def _(t):
    state = t.place() / "state"
    command = ("sweep", t.net, t.data, "--device", "reference", "--batches", "8,16", "--rates", "0.05,0.1",
               "--target-loss", "1.3", "--seeds", "2", "--brief", "--epochs", "1", "--state", state)
    text = t.run(*command, "--shards", "4").out
    expect("--shards 4" in text or "tassello train" not in text, text)
    t.run(*command, status=2).says("belongs to another sweep: there 'shards 4'")


RUN = ("--device", "reference", "--batch", "50", "--shards", "8", "--epochs", "2")


@case("shards: the noise scale is that of any tile and number of ranks, and measuring it changes no bit")
def _(t):
    for net in (t.net, net_of(t)):
        plain = t.run("train", net, t.data, *RUN).digest()
        noise = []
        for more in ((), ("--tile", "1"), ("--tile", "3", "--keep-on-host"), ("--device", "reference,reference")):
            told = one_object(t.run("train", net, t.data, *RUN, "--noise", "--json", *more))
            expect(told["weights_sha256"] == plain, f"{more}: another digest")
            noise.append(told["noise"])
        expect(all(n == noise[0] for n in noise), f"{noise}")


@case("shards: batches that grow, by a schedule, by themselves and as seesaw, have one digest on any rank")
def _(t):
    ways = (("--batch-schedule", "5,4:13,9:50"), ("--batch", "grow", "--batch-least", "4", "--lr", "0.01"),
            ("--batch", "10", "--schedule", "seesaw", "--decay-steps", "40"))
    run = ("--device", "reference", "--shards", "8", "--epochs", "8")
    for net in (t.net, net_of(t)):
        for way in ways:
            one = t.run("train", net, t.data, *run, *way).digest()
            for more in (("--tile", "2"), ("--device", "reference,reference"),
                         ("--device", "reference,reference,reference", "--tile", "1")):
                found = t.run("train", net, t.data, *run, *way, *more)
                expect(found.digest() == one, f"{way} {more}: another digest", found)


@case("shards: traces of other tiles and ranks are equal, and bisect finds the bits of other shards")
def _(t):
    net, place = net_of(t), t.place()
    def trace(name, *more):
        t.run("train", net, t.data, *RUN[:-2], "--steps", "6", "--trace", place / name, *more)
        return place / name
    one = trace("one")
    for more in (("--tile", "1"), ("--tile", "3", "--keep-on-host"), ("--device", "reference,reference")):
        found = t.run("bisect", one, trace("other", *more))
        expect("equal        all 6 steps that both have" in found.out, f"{more}", found)
    found = t.run("bisect", one, trace("four", "--shards", "4"), status=None)
    expect(found.status and "equal        all" not in found.out, "other shards are not told apart", found)


@case("shards: an audited run has the same bits, and nothing in it is different", needs="pocl")
def _(t):
    run = ("train", net_of(t), t.data, *RUN[:-2], "--steps", "3")
    plain = t.run(*run).digest()
    for more in (("--tile", "3"), ("--device", "pocl,reference")):
        told = one_object(t.run(*run, "--device", "pocl", "--audit=100%", "--json", *more, env=POCL))
        expect(told["weights_sha256"] == plain, f"{more}: another digest")
        expect(told["audit"]["steps"] and not told["audit"]["different"], f"{told['audit']}")


@case("shards: a device that refuses memory or fails leads to the same bits", needs="pocl")
def _(t):
    layer = below_layer(t)
    words = ("train", net_of(t), t.data, *RUN[:-2], "--steps", "6", "--optimizer", "adam")
    plain = t.run(*words).digest()
    for _ in range(2):  # the first one tests kernels
        _, calls = count_calls(t, layer, lambda env: t.run(*words, "--device", "pocl", env=env))
    draw, notes = random.Random(5), 0
    for call, codes in (("clEnqueueNDRangeKernel", (-5, -36)), ("clEnqueueReadBuffer", (-5, -36)),
                        ("clEnqueueWriteBuffer", (-4,)), ("clCreateBuffer", (-4,))):
        for code in codes:
            nth = draw.randint(calls[call] // 2 if call != "clCreateBuffer" else 2, calls[call])
            rule = f"call={call};nth={nth};times=1;code={code}"
            found = t.run(*words, "--device", "pocl", env={**layer, "TASSELLO_FAULT": rule})
            expect(found.digest() == plain, f"{rule}: another digest", found)
            notes += "tassello: note:" in found.err
    expect(notes, "nothing was noted")


if __name__ == "__main__":
    sys.exit(main(__doc__))
