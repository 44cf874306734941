#!/usr/bin/env python3
"""train --until-loss and --until-accuracy."""
import json
import re
import sys

from common import case, expect, LAST, main, NET, one_object

LONG = ("--epochs", "80", "--validation", "25%")


def reached(looks, target, sign=1):
    """The rule of stats/reach.h, for runs whose evaluations do not come back: the index, or None."""
    for i, (examples, value) in enumerate(looks):
        quarter = []
        for later, other in looks[i:]:
            quarter.append(sign * other)
            if later >= 1.25 * examples * (1 - 1e-9):
                break
        else:
            return None
        if sign * value <= sign * target and sum(quarter) / len(quarter) <= sign * target:
            return i
    return None


def looks_of(o, measure):
    return [(look["examples"], look[measure]) for look in o["target"]["evaluations"]]


@case("train --until-loss: the run ends soon after the target, which stays; object, log, text and checkpoint have it")
def _(t):
    folder = t.place()
    o = one_object(t.train(*LONG, "--lr", "0.01", "--until-loss", "0.7", "--json", "--log", folder / "l", "--save",
                           folder / "s"))
    target, at = o["target"], o["target"]["reached"]
    looks = looks_of(o, "loss")
    i = reached(looks, 0.7)
    expect(i is not None and target["state"] == "reached" and target["evaluations"][i] == at, f"{at}, expected {i}")
    expect(at["loss"] <= 0.7 < looks[0][1] and target["loss"] == 0.7 and o["until_loss"] == 0.7, f"{target}")
    expect(o["steps"] < 80 * 12 and 1.25 * at["examples"] <= looks[-1][0] <= 1.32 * at["examples"] + 32, f"{o}")
    expect(target["evaluated_on"] == 60 and o["validation"][-1]["step"] == o["steps"], f"{o}")
    expect(0 < at["seconds"] < o["seconds"] and not o["interrupted"] and not o["stopped_early"], f"{o}")
    gaps = [later[0] - sooner[0] for sooner, later in zip(looks, looks[1:])]
    expect(all(gap <= max(0.2 * looks[k][0], 0) + 16 for k, gap in enumerate(gaps)), f"{gaps}")
    expect(gaps[-1] <= 0.04 * looks[-2][0] + 16, f"{gaps}")
    logged = json.loads((folder / "l").read_text().splitlines()[-1])["result"]
    expect(logged["target"] == target, f"{logged}")
    told = t.run("eval", folder / "s", t.data, "--device", "reference")
    expect(f"until loss 0.7  step {o['steps']} of a run that reached its target" in told.out, "not told", told)
    out = t.train(*LONG, "--lr", "0.01", "--until-loss", "0.7").out
    found = re.search(r"^target +loss 0.7 reached after step (\d+) \((\d+) examples, \S+ s of training\)\n"
                      r" +and kept, on average, until step (\d+), where the run was ended\n", out, re.M)
    expect(found and [int(x) for x in found.groups()] == [at["step"], at["examples"], o["steps"]], out)
    expect("  until loss 0.7\n" in out, out)


@case("train --until-loss: evaluations change no bit of the weights")
def _(t):
    o = one_object(t.train(*LONG, "--lr", "0.01", "--until-loss", "0.7", "--json"))
    plain = one_object(t.train("--steps", str(o["steps"]), "--validation", "25%", "--lr", "0.01", "--json"))
    expect(plain["weights_sha256"] == o["weights_sha256"] and "target" not in plain, f"{plain}")


@case("train --until-accuracy: the same for an accuracy, with --steps as the limit")
def _(t):
    o = one_object(t.train("--steps", "900", "--validation", "25%", "--lr", "0.01", "--until-accuracy", "0.9",
                           "--json"))
    i = reached(looks_of(o, "accuracy"), 0.9, -1)
    expect(i is not None and o["target"]["evaluations"][i] == o["target"]["reached"] and o["steps"] < 900, f"{o}")
    expect(o["until_accuracy"] == 0.9 and o["target"]["reached"]["accuracy"] >= 0.9, f"{o}")


@case("train --until-loss that is not reached: the run ends as usual, status 0, and it says how near it came")
def _(t):
    said = t.train("--steps", "20", "--validation", "25%", "--until-loss", "0.0001")
    found = re.search(r"^target +loss 0.0001 not reached; the best was (\S+), after step (\d+)\n", said.out, re.M)
    expect(found and LAST.search(said.out), "not told", said)
    o = one_object(t.train("--steps", "20", "--validation", "25%", "--until-loss", "0.0001", "--json"))
    looks = o["target"]["evaluations"]
    best = min(looks, key=lambda look: look["loss"])
    expect(o["target"]["state"] == "not reached" and o["target"]["reached"] is None and o["steps"] == 20, f"{o}")
    expect((found[1], int(found[2])) == (f"{best['loss']:.4f}", best["step"]), f"{best}", said)
    expect(looks[-1]["step"] == 20, f"{looks[-1]}")


@case("train --until-loss that is touched and lost: not reached")
def _(t):
    said = t.train("--epochs", "40", "--validation", "25%", "--lr", "4", "--momentum", "0", "--until-loss", "1.3")
    o = one_object(t.train("--epochs", "40", "--validation", "25%", "--lr", "4", "--momentum", "0", "--until-loss",
                           "1.3", "--json"))
    losses = [loss for _, loss in looks_of(o, "loss")]
    expect(o["target"]["state"] != "reached" or reached(looks_of(o, "loss"), 1.3) is not None, f"{o}")
    if min(losses) <= 1.3 and o["target"]["state"] != "reached":
        expect("not reached: touched" in said.out, "not told", said)


@case("train --until-loss with --patience and --save-best: whichever comes first")
def _(t):
    folder = t.place()
    flags = ("--epochs", "9", "--validation", "25%", "--lr", "3", "--patience", "2")  # it gets worse
    o = one_object(t.train(*flags, "--until-loss", "0.0001", "--save-best", folder / "b", "--json"))
    expect(o["stopped_early"] and o["target"]["state"] == "not reached" and o["steps"] < 108, f"{o}")
    o = one_object(t.train(*LONG, "--lr", "0.01", "--patience", "50", "--until-loss", "0.7", "--save-best",
                           folder / "c", "--json"))
    expect(not o["stopped_early"] and o["target"]["state"] == "reached", f"{o}")
    best = one_object(t.run("eval", folder / "c", t.data, "--device", "reference", "--json"))
    expect(f"step {o['best_step']} of a run that had its best validation there" in best["training"], f"{best}")


@case("train --until-loss: what does not go with it, and a target that the untrained network meets")
def _(t):
    folder = t.place()
    (folder / "mse").write_text(NET + "loss mse\n")
    held = ("--validation", "25%")
    for arguments, words in (
        (("--until-loss", "1"), ("--until-loss requires --validation",)),
        (("--until-accuracy", "0.5"), ("--until-accuracy requires --validation",)),
        ((*held, "--until-loss", "0"), ("--until-loss 0:", "above 0")),
        ((*held, "--until-accuracy", "1"), ("--until-accuracy 1:", "between 0 and 1")),
        ((*held, "--until-accuracy", "0.5", "--until-loss", "1"), ("--until-loss and --until-accuracy",)),
        ((*held, "--until-loss", "50"), ("--until-loss 50", "untrained network has")),
        ((*held, "--until-accuracy", "0.01"), ("--until-accuracy 0.01", "untrained network has")),
    ):
        log = folder / "log"
        t.fails(2, words, "train", t.net, t.data, "--device", "reference", *arguments, "--log", log)
        expect(not log.exists(), "a log of a run that was refused")
    t.train(*held, "--until-accuracy", "0.5", net=folder / "mse", status=2).says("--until-accuracy: the loss of")


if __name__ == "__main__":
    sys.exit(main(__doc__))
