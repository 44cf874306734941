#!/usr/bin/env python3
"""train --batch grow."""
import json
import re
import sys

from checks import POCL
from common import case, expect, main, one_object

SCHEDULE = re.compile(r"^ {13}--batch-schedule (\S+) --lr-scaling (\S+) --base-batch (\d+)$", re.M)


def repeat_grown(t, *arguments, least="4", most=()):
    """The printed schedule leads to the same weights; the object, the log and the checkpoint have it, too."""
    folder = t.place()
    words = ("train", t.net, t.data, "--device", "reference", *arguments)
    grown = ("--batch", "grow", "--batch-least", least, *most)
    first = t.run(*words, *grown, "--save", folder / "s")
    found = SCHEDULE.search(first.out)
    expect(found, "no schedule is printed", first)
    schedule, scaling, base = found.groups()
    again = t.run(*words, "--batch-schedule", schedule, "--lr-scaling", scaling, "--base-batch", base, "--json")
    expect(one_object(again)["weights_sha256"] == first.digest(), "another digest", first)
    o = one_object(t.run(*words, *grown, "--json"))
    text = ",".join(str(b["batch"]) if not b["step"] else f"{b['step']}:{b['batch']}" for b in o["batches"])
    expect(text == schedule and o["weights_sha256"] == first.digest(), f"{o}", first)
    expect((o["grow"]["decisions"] >= 1) != bool(most) and o["seconds"] >= o["grow"]["decision_s"] >= 0, f"{o}")
    expect(o["grow"]["branch_examples"] <= 0.05 * o["epochs"] * o["examples"], f"{o}")
    told = t.run("eval", folder / "s", t.data, "--device", "reference")
    expect(f"batch {schedule} lr" in told.out, "the checkpoint does not tell", told)
    return schedule


@case("train --batch grow: what it decides is printed and repeats the run bit for bit")
def _(t):
    schedule = repeat_grown(t, "--lr", "0.01", "--epochs", "60")
    expect(all(int(b.split(":")[-1]) <= 24 for b in schedule.split(",")), schedule)
    repeat_grown(t, "--lr", "0.002", "--epochs", "60", "--optimizer", "adamw", "--validation", "10%", least="2")
    repeat_grown(t, "--lr", "0.01", "--epochs", "60", "--momentum", "0")
    schedule = repeat_grown(t, "--lr", "0.01", "--epochs", "60", most=("--batch-most", "4"))
    expect(schedule == "4", f"--batch-most 4 grew: {schedule}")


@case("pocl: the smallest budget of --batch grow that an error names is sufficient", needs="pocl")
def _(t):
    words = ("train", t.net, t.data, "--device", "pocl", "--batch", "grow", "--batch-least", "4", "--lr", "0.01",
             "--validation", "10%", "--epochs", "2")
    result = t.run(*words, "--budget", "1", status=1, env=POCL)
    t.run(*words, "--budget", re.findall(r"\d+", result.err)[-1], env=POCL)


@case("train --batch grow with what does not go with it")
def _(t):
    words = ("train", t.net, t.data, "--device", "reference", "--batch", "grow")
    t.fails(2, ("--batch grow", "--lr above 0"), *words, "--lr", "0")
    t.fails(2, ("--batch grow and --schedule cosine", "--steps"), *words, "--schedule", "cosine")
    t.fails(2, ("--schedule seesaw and --batch grow",), *words, "--schedule", "seesaw", "--decay-steps", "5")
    t.fails(2, ("--profile and --batch grow",), *words, "--profile")
    t.fails(2, ("--batch-most 4", "--batch-least 8"), *words, "--batch-least", "8", "--batch-most", "4")
    t.fails(2, ("--batch-least requires --batch grow",), *words[:-2], "--batch-least", "8")
    t.fails(2, ("--batch grwo:", "or auto or grow"), *words[:-1], "grwo")


if __name__ == "__main__":
    sys.exit(main(__doc__))
