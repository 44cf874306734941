#!/usr/bin/env python3
"""tassello advise."""
import json
import math
import os
import sys

from common import case, expect, main, one_object

HEAD = "batch,lr,seed,steps,seconds,loss\n"
USAGE = [
    ((), ("FILE is missing",)),
    (("runs.csv", "--target-loss", "0"), ("--target-loss 0", "above 0")),
    (("runs.csv", "--goal", "memory"), ("--goal memory", "time", "examples", "accuracy")),
    (("runs.csv", "--waste", "0.5"), ("--waste 0.5", "at least 1")),
    (("runs.csv", "--examples", "0"), ("--examples 0", "from 1")),
    (("runs.csv", "--batch-most", "x"), ("--batch-most x",)),
    (("runs.csv", "--report", "-"), ("--report -", "a file")),
    (("runs.csv", "--report", "./runs.csv"), ("--report ./runs.csv", "replace the rows")),
    (("--noise", "runs.csv", "--report", "r.html"), ("--noise and --report",)),
    (("--noise", "runs.csv", "--goal", "examples"), ("--noise and --goal",)),
    (("--noise", "runs.csv", "--target-loss", "1"), ("--noise and --target-loss",)),
    (("runs.csv", "other.csv"), ("unexpected argument other.csv",)),
]
for _arguments, _texts in USAGE:
    def usage(t, arguments=_arguments, texts=_texts):
        folder = t.place()
        (folder / "runs.csv").write_text(planted())
        t.fails(2, texts, "advise", *arguments, cwd=folder)
        expect(os.listdir(folder) == ["runs.csv"], f"left behind: {os.listdir(folder)}")
    case(f"advise {' '.join(_arguments)[:60]}: status 2")(usage)


def planted(batches=(4, 16, 64, 256, 1024), critical=65):
    """Steps are 137 (1 + critical / batch), a step takes 2 ms + 0.1 ms per example; two seeds, 3 % apart."""
    rows = [HEAD]
    for batch in batches:
        for seed in (1, 2):
            steps = round(137 * (1 + critical / batch) * (0.97 + 0.02 * seed))
            rows.append(f"{batch},0.1,{seed},{steps},{steps * (2e-3 + 1e-4 * batch):.6f},0.5\n")
    return "".join(rows)


@case("advise: the planted critical batch, as text and as JSON; from a file, a pipe and stdin")
def _(t):
    folder = t.place()
    (folder / "runs.csv").write_text(planted())
    o = one_object(t.run("advise", folder / "runs.csv", "--json"))
    expect(o["b_crit_low"] < 65 < o["b_crit_high"] and 55 < o["b_crit"] < 75, f"{o['b_crit']}")
    expect(o["recommendation"]["batch"] in (16, 64) and o["source"] == str(folder / "runs.csv"), f"{o}")
    text = t.run("advise", folder / "runs.csv")
    expect(f"Batch {o['recommendation']['batch']} with learning rate 0.1" in text.out, "not the same batch", text)
    expect("\ncritical     batch 6" in text.out and "command" not in text.out and text.err == "", "the text", text)
    expect(all(len(line) <= 80 for line in text.out.splitlines()[1:]), "a line of more than 80 columns", text)
    with (folder / "runs.csv").open("rb") as stream:
        piped = one_object(t.run("advise", "-", "--json", stdin=stream))
    expect(piped["b_crit"] == o["b_crit"] and piped["source"] == "stdin", f"{piped['source']}")


@case("advise --noise: norms that say nothing")
def _(t):
    folder = t.place()
    rows = "".join(f"{step},8,nan,64,1\n" for step in range(10))
    (folder / "n.csv").write_text("step,small_batch,small_norm_sq,big_batch,big_norm_sq\n" + rows)
    text = t.run("advise", "--noise", folder / "n.csv")
    expect("\nnoise scale  not known yet, 0 steps\nskipped      10 rows" in text.out, "the text", text)


@case("advise: without a curve the critical batch is not known")
def _(t):
    folder = t.place()
    (folder / "runs.csv").write_text(planted(batches=(16, 64)))
    text = t.run("advise", folder / "runs.csv")
    expect("\ncritical     batch not known\n" in text.out, "the text", text)


@case("advise: what is wrong in a file, with line and column; status 1")
def _(t):
    folder = t.place()
    bad = folder / "bad.csv"
    bad.write_text(HEAD + "64,0.1,1,100,2,0.5\n64,zero,2,100,2,0.5\n")
    t.fails(1, (f"{bad}:3:4: lr 'zero': expected a number above 0",), "advise", bad)
    bad.write_text('{"batch": 64, "lr": 0.1, "seed": 1, "steps": "x"}\n')
    t.fails(1, (f"{bad}:1:46: steps \"x\": expected a number",), "advise", bad)
    t.fails(1, (f"{bad}:1:1: no column 'step'",), "advise", "--noise", bad)
    t.fails(1, ("No such file",), "advise", folder / "none.csv")
    t.fails(1, ("a folder; expected a file of rows",), "advise", folder)
    t.fails(1, ("stdin:1:1: no rows",), "advise", "-")
    bad.write_text(planted())
    t.fails(1, ("--report /nonexistent/r.html: ",), "advise", bad, "--report", "/nonexistent/r.html")
    t.fails(2, ("one row per evaluation",), "advise", bad, "--target-loss", "0.4")
    bad.write_bytes(HEAD.encode() + b"64,\x1b[31m,1,100,2,0.5\n")
    result = t.fails(1, ("\\x1b[31m",), "advise", bad)
    expect("\x1b" not in result.err, "a raw escape", result)


@case("advise: no batch reached the target: status 1, and what is known on stdout")
def _(t):
    folder = t.place()
    (folder / "r.csv").write_text(HEAD + "16,0.1,1,,2,0.7\n64,0.1,1,,2,0.6\n")
    result = t.run("advise", folder / "r.csv", status=1)
    result.says("no batch reached the target")
    words = " ".join(result.out.split())
    expect("not reached" in words and "no measured batch reached the target" in words, "the table", result)


@case("advise --noise: the noise scale, as text and as JSON")
def _(t):
    folder = t.place()
    rows = ["step,small_batch,small_norm_sq,big_batch,big_norm_sq\n"]
    for step in range(400):  # tr(S) = 100, |G|^2 = 1, and some noise about both
        wave, other = math.sin(12.9898 * step * step), math.cos(78.233 * step * step)
        rows.append(f"{step},32,{1 + 100 / 32 * (1 + 0.2 * wave):.9g},256,{1 + 100 / 256 * (1 + 0.2 * other):.9g}\n")
    (folder / "n.csv").write_text("".join(rows))
    o = one_object(t.run("advise", "--noise", folder / "n.csv", "--json"))
    n = o["noise_scale"]
    expect(n["state"] == "known" and n["low"] < n["value"] < n["high"] and 90 < n["value"] < 110, f"{n}")
    expect(n["steps"] == 400 and len(o["noise_scale_over_training"]) == 4 and o["skipped"] == 0, f"{o}")
    text = t.run("advise", "--noise", folder / "n.csv")
    expect("\nnoise scale  " in text.out and "momentum or Adam it is the noise of the raw gradient" in
           " ".join(text.out.split()), "the text", text)


@case("advise: on the runs of a sweep it gives what the sweep gave")
def _(t):
    folder = t.place()
    for seed in range(1, 13):  # a batch that missed the target when it was checked is out, which no row can tell
        t.run("sweep", t.net, t.data, "--device", "reference", "--batches", "2,4,8,16,24", "--target-loss", "0.7",
              "--epochs", "20", "--seeds", "2", "--momentum", "0", "--seed", seed, "--runs", folder / "own.csv",
              "--json", folder / "own.json")
        swept = json.loads((folder / "own.json").read_text())
        if all(check["reached"] for check in swept["checks"]) and len(swept["levels"]) > 1:
            break
    ours = one_object(t.run("advise", folder / "own.csv", "--target-loss", "0.7", "--examples", swept["examples"],
                            "--json"))

    def near(a, b):
        return a == b or (a is not None and b is not None and abs(a - b) <= 1e-6 * abs(a))

    for name in ("b_crit", "b_crit_low", "b_crit_high", "s_min", "e_min", "target", "equal_loss"):
        expect(near(swept[name], ours[name]), f"{name}: {swept[name]}, {ours[name]}")
    for name in ("batch", "lr", "range_low", "range_high", "steps", "decided"):
        a, b = swept["recommendation"][name], ours["recommendation"][name]
        expect(a == b if isinstance(a, str) else near(a, b), f"recommendation.{name}: {a}, {b}")
    expect(len(swept["batches"]) == len(ours["batches"]) >= 5, "batches")
    for a, b in zip(swept["batches"], ours["batches"]):
        for name in ("steps", "examples", "epochs", "seconds", "best_loss"):
            expect(near(a[name]["mean"], b[name]["mean"]), f"B = {a['batch']}, {name}: {a[name]}, {b[name]}")
        expect((a["verdict"], a["seeds"], a["reached"]) == (b["verdict"], b["seeds"], b["reached"]), f"{a}\n{b}")
    expect(len(swept["levels"]) == len(ours["levels"]) > 1, "levels")
    for a, b in zip(swept["levels"], ours["levels"]):
        for name in ("target", "base_epochs", "b_crit", "b_crit_low", "b_crit_high", "best"):
            expect(near(a[name], b[name]), f"level {a['target']}, {name}: {a[name]}, {b[name]}")
        for one, other in zip(a["batches"], b["batches"]):
            for name in ("steps", "examples", "seconds"):
                expect(near(one[name]["mean"], other[name]["mean"]), f"level {a['target']}: {one}, {other}")


@case("advise --report: a page without a command and without what rows cannot tell")
def _(t):
    folder = t.place()
    (folder / "runs.csv").write_text(planted())
    result = t.run("advise", folder / "runs.csv", "--report", folder / "r.html", "--examples", "20000")
    page = (folder / "r.html").read_text()
    expect(result.out.endswith(f"report       {folder / 'r.html'}\n"), "the last line", result)
    expect("by tassello advise" in page and "tassello train" not in page and "No plot" not in page, "the page")


if __name__ == "__main__":
    sys.exit(main(__doc__))
