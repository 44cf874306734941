#!/usr/bin/env python3
"""tassello plan."""
import json
import re
import sys

from checks import forecast
from common import case, expect, main, one_object


@case("plan: parts that add up, a table within the same budget; without DATA a streamed set")
def _(t):
    for data in (True, False):
        o = forecast(t, "--batch", "48", data=data)
        expect(sum(o["parts"].values()) == o["bytes_total"] and o["min_budget"] <= o["bytes_total"] <= o["budget"],
               f"{o}")
        expect(o["parts"]["host memory"] == o["host_bytes"] > 0, f"{o}")
        expect(o["batch"] == o["tile"] == 48 and o["tiles"] == 1 and o["resident"] is data, f"{o}")
        expect((o["parts"]["data set"] > 0) is data and (o["parts"]["staging"] == 0) is data, f"{o}")
        expect(o["bytes_fixed"] < o["bytes_total"] <= o["bytes_fixed"] + 48 * o["bytes_per_example"], f"{o}")
        sizes = [1, 8, 32, 64, 128, *([240] if data else [256, 512, 1024, 4096])]
        expect([row["batch"] for row in o["table"]] == sizes and o["largest_untiled"] == (240 if data else 4096),
               f"{o}")
        for row in o["table"]:
            other = forecast(t, "--batch", str(row["batch"]), data=data)
            expect(all(other[key] == row[key] for key in ("tile", "tiles", "resident", "min_budget")), f"{row} {other}")
            expect(other["bytes_total"] == row["bytes"], f"{row} {other}")
    text = t.run("plan", t.net, t.data, "--device", "reference", "--batch", "48").out
    total = forecast(t, "--batch", "48")["bytes_total"]
    for line in (r"^plan         tile 48 of 48 \(1 tile\), data set on the device$",
                 rf"^memory       .* \({total} bytes\)$",
                 r"^ +parameters +.*\d %", r"^ +host memory +.*\d %", r"^ +240 .*  240 +1  on the device +\d+$"):
        expect(re.search(line, text, re.M), f"no {line} in {text}")
    expect("none given" in t.run("plan", t.net, "--device", "reference").out, "it does not say that no data are given")


# Parameters, and what backward reads of an example: its input, the result of each relu, and the maxima that the next
# layer reads.
BOUNDS = {"mlp": (397510, 784 + 500), "lenet": (431080, 784 + 11520 + 2880 + 3200 + 800 + 500)}


@case("plan: a lower bound of weights, gradient, state and what backward reads; steps need at most 1.12 times that")
def _(t):
    for net in ("mlp", "lenet", "cnn", "resnet20"):
        for batch in (1, 8, 64, 512):
            o = json.loads(t.run("plan", net, "--device", "reference", "--batch", str(batch), "--json").out)
            expect(o["step_bytes"] <= 1.12 * o["lower_bound"], f"{net} {batch}: {o}")
            expect(o["lower_bound"] <= o["step_bytes"] or batch < 64, f"{net} {batch}: {o}")
            steps = o["bytes_total"] - o["parts"]["staging"] - o["host_bytes"]
            expect(o["step_bytes"] == steps and not o["parts"]["data set"], f"{net} {batch}: {o}")
            if net in BOUNDS:
                parameters, activations = BOUNDS[net]
                expect(o["lower_bound"] == 4 * (3 * parameters + batch * activations), f"{net} {batch}: {o}")
    text = t.run("plan", "mlp", "--device", "reference", "--batch", "64").out
    line = r"^lower bound  .* \(5098824 bytes\); steps need 1\.0\d times that, beside the data set$"
    expect(re.search(line, text, re.M), text)


@case("plan: --budget and --tile cut; a row that does not fit is empty; too small a budget is an error with the least")
def _(t):
    least = forecast(t, "--batch", "32")["min_budget"]
    o = forecast(t, "--batch", "32", "--budget", str(least))
    expect(o["bytes_total"] == o["budget"] == least and o["tiles"] > 1 and not o["resident"], f"{o}")
    last = o["table"][-1]
    expect(last["batch"] == 240 and last["tile"] is None and last["bytes"] is None and last["min_budget"] > least,
           f"{last}")
    text = t.run("plan", t.net, t.data, "--device", "reference", "--budget", str(least), "--batch", "32")
    expect(re.search(r"^ +240 +none +- +- +- +\d+$", text.out, re.M), "the text does not show it", text)
    for flag in ((), ("--json",)):
        t.fails(1, ("budget", str(least)), "plan", t.net, t.data, "--device", "reference", "--batch", "32", "--budget",
                str(least - 1), *flag)
    o = forecast(t, "--batch", "32", "--tile", "7")
    expect(o["tile"] <= 7 and o["tiles"] == -(-32 // o["tile"]), f"{o}")
    ghosts = t.net.with_name("ghosts.net")
    ghosts.write_text("input 1x8x8\ndense 8\nbatch_norm group 16777216\ndense 10\n")
    o = forecast(t, "--batch", "32", net=ghosts)
    expect(o["tile"] == 32 and o["tiles"] == 1, f"a group larger than the batch: {o}")


@case("plan: NET, DATA and the batch are checked as train does, before the device")
def _(t):
    t.fails(1, ("'mpl'",), "plan", "mpl")
    t.fails(1, ("/no/data", "No such file"), "plan", t.net, "/no/data", "--device", "none such")
    t.fails(1, ("takes 784 values", "has 64"), "plan", "mlp", t.data, "--device", "none such")
    t.fails(2, ("--batch 241", "240 examples"), "plan", t.net, t.data, "--batch", "241", "--device", "none such")
    t.fails(1, ("no device none such",), "plan", t.net, "--device", "none such")
    t.fails(2, ("batch 16777217",), "plan", t.net, "--batch", "16777217", "--device", "reference")


@case("plan --validation: the smallest budget suffices, a byte less does not; training needs what it forecasts")
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
        t.fails(1, ("budget", str(least)), command, t.net, t.data, "--device", "reference", *flags, "--budget",
                str(least - 1))
    t.fails(2, ("expected DATA",), "plan", t.net, "--validation", "5", "--device", "reference")
    t.fails(2, ("expected DATA",), "plan", t.net, "--examples", "5", "--device", "reference")
    text = t.run("plan", t.net, t.data, "--device", "reference", *flags).out
    expect("100 examples to train, 100 held out, 80 to test" in text and re.search(r"^ +validation +\d", text, re.M),
           text)


LINK = ("--bandwidth", "1G", "--latency", "1e-6")


def ranked(t, *flags):
    return forecast(t, "--batch", "64", "--shards", "8", "--ranks", *flags)


@case("plan --ranks: memory and traffic of a rank; with a link a table whose figures add up, and how many pay")
def _(t):
    o = ranked(t, "4")
    r = o["ranks"]
    expect(r["asked"]["ranks"] == 4 and r["asked"]["examples"] == 16 and r["asked"]["messages"] > 0, f"{r}")
    expect(r["asked"]["step_s"] is None and r["most_that_pays"] is None and r["latency_s"] is None, f"{r}")
    expect([row["ranks"] for row in r["table"]] == [1, 2, 4, 8, 16, 32, 64], f"{r}")
    expect([row["shards"] for row in r["table"]] == [8, 8, 8, 8, 16, 32, 64], f"{r}")
    expect(r["exchange_host_bytes"] > r["state_bytes"] > 0 and "ranks" not in forecast(t), f"{r}")
    r = ranked(t, "4", *LINK, "--step-seconds", "0.5")["ranks"]
    expect(r["latency_s"] == 1e-6 and abs(r["bandwidth_bytes_per_s"] - 2 ** 30) < 10, f"{r}")
    expect(r["staging_s"] > 0 and r["update_s"] > 0, f"{r}")
    for row in r["table"]:
        parts = sum(row[key] for key in ("compute_s", "staging_s", "exchange_s", "update_s"))
        expect(abs(row["step_s"] - parts) < 1e-9 and abs(row["compute_s"] - 0.5 / row["ranks"]) < 1e-9, f"{row}")
        expect(abs(row["speedup"] - 0.5 / row["step_s"]) < 1e-6 * row["speedup"], f"{row}")
        expect((row["exchange_s"] > 0) is (row["ranks"] > 1), f"{row}")
    pays = [row["ranks"] for row in r["table"] if row["efficiency"] >= 0.5]
    expect(r["most_that_pays"] == max(pays) and pays, f"{r}")
    slow = ranked(t, "4", "--bandwidth", "1000", "--latency", "1", "--step-seconds", "0.5")["ranks"]
    expect(slow["most_that_pays"] == 1 and slow["table"][1]["speedup"] < 1, f"{slow}")
    text = t.run("plan", t.net, "--device", "reference", "--shards", "8", "--ranks", "2", *LINK).out
    for line in (r"^ranks        2, of up to 32 examples each$", r"^link         latency 1\.00 us, 1 GiB/s$",
                 r"^pays         up to \d+ ranks?: efficiency", r"^   64 +64 +1 +[\d.]+ KiB "):
        expect(re.search(line, text, re.M), f"no {line} in {text}")


@case("plan --ranks --exchange: reads what bench --exchange --json has printed, and refuses what it has not")
def _(t):
    one = t.run("bench", "--exchange", "--ranks", "2", "--repetitions", "1", "--json")
    link = one_object(one)
    expect(link["exchange"] == 1 and link["ranks"] == 2 and link["transport"] == "threads", f"{link}")
    expect(len(link["messages"]) == 8 and link["messages"][0]["seconds"] == link["latency_s"] > 0, f"{link}")
    file = t.net.with_name("link.json")
    file.write_text(one.out)
    r = ranked(t, "2", "--exchange", str(file), "--step-seconds", "1")["ranks"]
    expect(r["latency_s"] == link["latency_s"] and r["bandwidth_bytes_per_s"] == link["bandwidth_bytes_per_s"], f"{r}")
    base = ("plan", t.net, "--device", "none such", "--shards", "8", "--ranks", "2", "--exchange", file)
    for text, words in ((one.out[:20], ("link.json: line 1",)), ("{}", ("bench --exchange --json",)),
                        (one.out.replace('"latency_s":', '"latency_s":-'), ("bench --exchange --json",))):
        file.write_text(text)
        t.fails(1, ("--exchange", *words), *base)
    file.unlink()
    t.fails(1, ("--exchange", "link.json"), *base)
    text = t.run("bench", "--exchange", "--repetitions", "1").out
    expect(re.search(r"^latency +[\d.]+ us$", text, re.M) and "2 (threads)" in text, text)


@case("plan --ranks, bench --exchange: what does not go together is wrong usage")
def _(t):
    for flags, words in (
        (("--ranks", "2"), ("--ranks 2", "--shards, 1")),
        (("--ranks", "0"), ("--ranks 0",)),
        (("--ranks", "4097"), ("--ranks 4097",)),
        (LINK, ("--ranks with them",)),
        (("--step-seconds", "1"), ("--ranks with them",)),
        (("--ranks", "1", "--step-seconds", "1"), ("--step-seconds", "--bandwidth")),
        (("--ranks", "1", *LINK, "--step-seconds", "0"), ("--step-seconds 0",)),
        (("--ranks", "1", "--bandwidth", "1G"), ("--bandwidth", "--latency")),
        (("--ranks", "1", "--latency", "1"), ("--latency", "--bandwidth")),
        (("--ranks", "1", "--bandwidth", "5%", "--latency", "1"), ("--bandwidth", "share")),
        (("--ranks", "1", "--bandwidth", "1G", "--latency", "61"), ("--latency 61",)),
        (("--ranks", "1", "--bandwidth", "1G", "--latency", "-1"), ("--latency",)),
        (("--ranks", "1", "--exchange", "x", "--latency", "1"), ("--exchange and --latency",)),
    ):
        t.fails(2, words, "plan", t.net, "--device", "none such", *flags)
    for flags, words in ((("--ranks", "2"), ("--exchange with it",)), (("--exchange", "--ranks", "1"), ("--ranks 1",)),
                         (("--exchange", "--net", "mlp"), ("--exchange: expected only",))):
        t.fails(2, words, "bench", *flags)


if __name__ == "__main__":
    sys.exit(main(__doc__))
