#!/usr/bin/env python3
"""train --batch auto."""
import json
import re
import sys

from common import case, expect, main, one_object

AUTO = re.compile(r"^settings +batch (\d+) lr (\S+) \(auto\)  momentum.*\nauto +batch (\d+), learning rate (\S+)\n"
                  r"((?: {13}\S.*\n)+)plan ", re.M)


def repeat_auto(t, *arguments):
    """What --batch auto prints can be given, and leads to the same weights; log, object and checkpoint have it too."""
    folder = t.place()
    words = ("train", t.net, t.data, "--device", "reference", *arguments)
    first = t.run(*words, "--batch", "auto", "--save", folder / "s", "--log", folder / "l")
    found = AUTO.search(first.out)
    expect(found, "no batch is named", first)
    batch, lr, chosen, rate, reason = found.groups()
    expect((batch, lr) == (chosen, rate) and all(len(line) < 80 for line in reason.splitlines()), "not wrapped", first)
    reason = " ".join(reason.split())
    again = t.run(*words, "--batch", batch, "--lr", lr, "--json")
    expect(one_object(again)["weights_sha256"] == first.digest() and "auto" not in one_object(again), "another digest",
           first)
    lines = [json.loads(line) for line in (folder / "l").read_text().splitlines()]
    for o in (lines[0]["run"], lines[-1]["result"]):
        expect(o["auto"]["batch"] == o["batch"] == int(batch) and o["auto"]["lr"] == float(lr), f"{o}", first)
        expect(o["auto"]["reason"] == reason, f"{o}", first)
    expect(lines[-1]["result"]["peak_bytes"] == lines[-1]["result"]["forecast_bytes"], f"{lines[-1]}")
    told = t.run("eval", folder / "s", t.data, "--device", "reference")
    expect(f"batch {batch} lr {lr} (auto)" in told.out, "the checkpoint does not tell", told)
    return int(batch), float(lr), reason


@case("train --batch auto with momentum: 64, or what a small set allows, and why")
def _(t):
    batch, lr, reason = repeat_auto(t, "--lr", "0.05", "--epochs", "3")
    expect(batch == 16 and lr == 0.0125 and "too short" in reason, f"{batch} {lr} {reason}")


@case("train --batch auto with plain SGD: a probe, at most a tenth of the set")
def _(t):
    batch, lr, reason = repeat_auto(t, "--lr", "0.05", "--epochs", "400", "--momentum", "0")
    expect(1 <= batch <= 24 and 0 < lr <= 0.05 and f"Batch {batch} with learning rate" in reason,
           f"{batch} {lr} {reason}")


@case("train --batch auto with batch normalization: its noise scale is not known")
def _(t):
    net = t.place() / "n"
    net.write_text("input 8x8\ndense 12 no bias\nbatch_norm\nrelu\ndense 4\n")
    o = one_object(t.run("train", net, t.data, "--device", "reference", "--batch", "auto", "--lr", "0.05", "--epochs",
                         "400", "--momentum", "0", "--json"))
    expect("batch normalization makes the examples of a batch depend on each other" in o["auto"]["reason"], f"{o}")


@case("train --batch auto with what does not go with it")
def _(t):
    words = ("train", t.net, t.data, "--device", "reference", "--batch", "auto")
    t.fails(2, ("--batch auto", "--lr above 0"), *words, "--lr", "0")
    t.fails(2, ("--batch auto and --lr-scaling",), *words, "--lr-scaling", "sqrt")
    t.fails(2, ("--batch aut:", "or auto"), *words[:-1], "aut")
    t.fails(1, ("budget",), *words, "--momentum", "0", "--epochs", "400", "--budget", "1000")


if __name__ == "__main__":
    sys.exit(main(__doc__))
