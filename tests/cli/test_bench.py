#!/usr/bin/env python3
"""tassello bench: what it prints, in each form, and what it compares."""
import csv
import io
import json
import re
import sys

from common import case, expect, main, one_object

CALLS = ["feed", "dense_forward", "dense_forward", "softmax_loss", "dense_backward_parameters",
         "dense_backward_input", "dense_backward_parameters", "watch", "update"]


def bench(t, *arguments, **more):
    return t.run("bench", "--device", "reference", "--net", t.net, "--repetitions", "2", *arguments, **more)


@case("bench: calls and steps for people")
def _(t):
    out = bench(t, "--batches", "1,8").out
    expect(re.search(r"^rates +[\d.]+ GFLOP/s of fma, [\d.]+ GB/s copied \(measured\)$", out, re.M), "no rates")
    for batch in 1, 8:
        expect(re.search(rf"^small net\.txt +{batch} +{batch} +\d+ .* 0\.0 +[\d.]+ %  \w+ \d+ %", out, re.M),
               f"no step: {out}")
    expect(len(re.findall(r"x1 +dense_forward ", out)) == 4, f"calls: {out}")


@case("bench --json: each call once, and what a step has")
def _(t):
    o = one_object(bench(t, "--batches", "8", "--json"))
    calls, step = o["rows"][:-1], o["rows"][-1]
    expect([row["operation"] for row in calls] == CALLS, f"{[row['operation'] for row in calls]}")
    first = calls[1]
    expect(first["layer"] == "1 dense 1x8x8 -> 8x1x1" and first["flops"] == 2 * 8 * 64 * 8, f"{first}")
    expect(first["bytes"] == 4 * (8 * 64 + 8 * 64 + 8 + 8 * 8), f"{first}")
    for row in o["rows"]:
        expect(0 < row["seconds_low"] <= row["seconds"] <= row["seconds_high"], f"{row}")
    expect(step["operation"] == "step" and step["launches"] == int(step["launches"]), f"{step}")
    expect(abs(step["examples_per_s"] * step["seconds"] - 8) < 1e-6, f"{step}")
    names = [kernel["name"] for kernel in step["kernels"]]
    expect({"dense_forward", "dense_sgd", "check_finite"} <= set(names), f"{names}")


@case("bench --op, --calls, --steps: those alone")
def _(t):
    rows = one_object(bench(t, "--op", "dense_forward", "--json"))["rows"]
    expect([row["operation"] for row in rows] == ["dense_forward"] * 2 and rows[0]["batch"] == 64, f"{rows}")
    expect(len(one_object(bench(t, "--calls", "--batches", "2", "--json"))["rows"]) == len(CALLS), "not the calls")
    rows = one_object(bench(t, "--steps", "--batches", "2,4", "--json"))["rows"]
    expect([row["operation"] for row in rows] == ["step"] * 2, f"{rows}")
    t.fails(2, ("conv_backward",), "bench", "--device", "reference", "--net", t.net, "--op", "conv_backward")


@case("bench --csv and --md: one line per row")
def _(t):
    rows = list(csv.DictReader(io.StringIO(bench(t, "--batches", "4", "--csv").out)))
    expect([row["operation"] for row in rows] == [*CALLS, "step"], f"{rows}")
    expect(float(rows[1]["gflops"]) > 0 and rows[0]["gflops"] == "" and float(rows[-1]["examples_per_s"]) > 0,
           f"{rows}")
    lines = bench(t, "--batches", "4", "--md").out.splitlines()
    expect(len(lines) == 2 + len(rows) and len({line.count("|") for line in lines}) == 1, f"{lines}")


@case("bench --compare: slower is status 1, faster is not")
def _(t):
    saved = one_object(bench(t, "--steps", "--batches", "4", "--json"))
    file = t.place() / "saved.json"
    for factor, status, word in (0.01, 1, "slower"), (100, 0, "faster"):
        row = dict(saved["rows"][0], seconds=saved["rows"][0]["seconds"] * factor)
        file.write_text(json.dumps({**saved, "rows": [row]}))
        result = bench(t, "--steps", "--batches", "4", "--compare", file, status=status)
        expect(re.search(rf"^{word}  [\d.]+ times the time: reference small net.txt ", result.out, re.M), "not named",
               result)
        expect(re.search(r"^1 rows compared: ", result.out, re.M), "not counted", result)
    result = bench(t, "--steps", "--batches", "2", "--compare", file)
    expect("0 rows compared" in result.out, "another batch was compared", result)


@case("bench: what cannot be used is refused before anything is measured")
def _(t):
    file = t.place() / "saved.json"
    for text in "", "{", "[]", '{"bench":1}', '{"bench":2,"rows":[]}':
        file.write_text(text)
        t.fails(1, ("--compare", "saved.json"), "bench", "--device", "reference", "--compare", file)
    t.fails(1, ("--compare",), "bench", "--device", "reference", "--compare", t.place() / "missing")
    for arguments in (("--all", "--device", "x"), ("--calls", "--steps"), ("--op", "x", "--steps"), ("--json", "--md"),
                      ("--tolerance", "5%"), ("--batches", "0"), ("--batches", "1,1"), ("--repetitions", "0"),
                      ("--compare", file, "--tolerance", "5")):
        t.fails(2, (), "bench", *arguments)


if __name__ == "__main__":
    sys.exit(main(__doc__))
