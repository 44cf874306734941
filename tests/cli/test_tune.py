#!/usr/bin/env python3
"""tassello tune: what it measures, keeps, writes and reads; and that no choice changes a bit. Kernels are made wrong by
rules of the fault layer ($TASSELLO_FAULT_LAYER).
"""
import json
import os
import re
import signal
import sys
import time

from common import POCL_ICD, RUSTICL_ICD, Skip, below_layer, case, expect, main, one_object

LAUNCH = "clEnqueueNDRangeKernel"
NET = "input 1x8x8\nconv2d 5 3 padding 1\nrelu\nmax_pool 2\nflatten\ndense 24\nrelu\ndense 4\n"
MINUTES = 240  # for a machine that others use, too

# Other variants than the usual ones, by what a name begins with; those that do not fit give way.
FORCED = {
    "dense_forward": ["rows-4", "rows-6", "rows-10", "rows-12"],
    "dense_forward_no_bias": ["rows-4"],
    "dense_backward_input": ["rows-4", "few-8", "few-2", "rows-12"],
    "dense_backward_parameters": ["rows-6", "few-8", "few-4", "rows-10"],
    "conv_forward": ["rows-5", "rows-16", "vectors-2", "vectors-4", "rows-6"],
    "conv_forward_no_bias": ["rows-5"],
    "conv_backward_input": ["rows-6", "rows-4", "vectors-1", "rows-10"],
    "conv_backward_parameters": ["2x5-2x5", "4x3-4x3", "5x4-2x4", "2x3-2x3"],
}


def own(t, **more):
    """PoCL with a cache of its own; the driver's is shared."""
    return {"OCL_ICD_VENDORS": POCL_ICD, "XDG_CACHE_HOME": str(t.place()), **more}


def net_of(t):
    net = t.place() / "a net.net"
    net.write_text(NET)
    return net


def kept(env):
    folder = env["XDG_CACHE_HOME"] + "/tassello"
    return [folder + "/" + name for name in os.listdir(folder) if name.startswith("tuning-")]


def tune(t, env, *arguments, **more):
    return t.run("tune", "--device", "pocl", *arguments, env=env, **more)


def measured(t, env, net):
    path = t.place() / "tuning.json"
    tune(t, env, "--net", net, "--batches", "8,1", "--time", f"{MINUTES}s", "--export", path)
    return path, json.loads(path.read_text())


@case("tune: the reference has nothing to tune")
def _(t):
    t.fails(1, ("reference: there is nothing to tune",), "tune", "--device", "reference")
    t.fails(1, ("reference: there is nothing to tune",), "tune", "--device", "reference", "--import", t.net)


@case("tune: wrong usage")
def _(t):
    t.fails(2, ("--time 0: expected a time",), "tune", "--time", "0")
    t.fails(2, ("--batches",), "tune", "--batches", "8,x")
    t.fails(2, ("--import: expected none of --net, --batches and --time",), "tune", "--import", "x", "--time", "3s")
    t.fails(2, ("two files",), "tune", "--import", "x", "--export", "./x")


@case("tune: a table, a file, and the same bits", needs="pocl")
def _(t):
    net, env = net_of(t), own(t)
    plain = t.train("--steps", "5", net=net).digest()
    path = t.place() / "tuning.json"
    begin = time.monotonic()
    result = tune(t, env, "--net", net, "--batches", "16,8,1", "--time", f"{MINUTES}s", "--export", path)
    expect(re.search(r"^operation +shape +usual +us +fastest +us +gain$", result.out, re.M), "no head", result)
    found = re.search(r"^(\d+) classes of shapes measured in \d+ s: (\d+) have a faster variant\n\Z", result.out, re.M)
    expect(found, "no last line", result)
    rows = json.loads(path.read_text())["rows"]
    expect(len(rows) == int(found[1]) and len(rows) > 8, f"{len(rows)} rows", result)
    expect(sum(row["usual"] != row["choice"] for row in rows) == int(found[2]), f"{rows}", result)
    expect({row["operation"] for row in rows} >= {"dense_forward", "conv_backward_parameters"}, f"{rows}", result)
    for row in rows:
        expect(0 < row["seconds"] <= row["usual_seconds"] and (
            row["usual"] == row["choice"] or row["seconds"] <= 0.97 * row["usual_seconds"]), f"{row}")
    expect(len(kept(env)) == 1, f"{kept(env)}")
    digest = t.train("--steps", "5", net=net, device="pocl", env=env).digest()
    expect(digest == plain, "a tuning changes the bits")
    expect(time.monotonic() - begin < MINUTES + 120, "too long")


@case("tune --json, and --time is kept", needs="pocl")
def _(t):
    env = own(t)
    result = tune(t, env, "--time", "3s", "--json")
    o = one_object(result)
    expect(o["tuning"] == 1 and o["classes"] == len(o["rows"]) and o["left_out"] > 0, f"{o}")
    expect(o["device"]["driver"] and len(o["kernels"]) == 64 and o["refused"] == 0, f"{o}")
    expect(o["seconds"] < 60 and result.seconds < 90, "the time is not kept", result)


@case("tune --import: what --export wrote; nothing of others", needs="pocl")
def _(t):
    net, env, other = net_of(t), own(t), own(t)
    path, saved = measured(t, env, net)
    result = tune(t, other, "--import", path)
    expect(result.out == f"pocl: {len(saved['rows'])} rows are kept\n", "not imported", result)
    with open(kept(env)[0], encoding="ascii") as a, open(kept(other)[0], encoding="ascii") as b:
        first, second = a.read().splitlines(), b.read().splitlines()
    expect([line.rsplit("|", 2)[0] for line in first[:-1]] == [line.rsplit("|", 2)[0] for line in second[:-1]],
           f"{first} {second}")
    again = t.place() / "again.json"
    tune(t, other, "--import", path, "--export", again)
    rows = json.loads(again.read_text())["rows"]
    expect([{**row, "seconds": 0, "usual_seconds": 0} for row in rows] ==
           [{**row, "seconds": 0, "usual_seconds": 0} for row in saved["rows"]], f"{rows}")
    row = saved["rows"][0]
    for change, words in (({"contract": 1}, ("version 1 of the arithmetic contract",)),
                          ({"device": {**saved["device"], "driver": "0.1"}}, ("another driver", "0.1")),
                          ({"device": {**saved["device"], "name": "card"}}, ("another device", "card")),
                          ({"arith": "fast"}, ("--arith fast",)),
                          ({"tuning": 2}, ("expected what 'tassello tune --export'",)),
                          ({"rows": [{**row, "operation": "dense"}]}, ("row 1", "unknown operation 'dense'")),
                          ({"rows": [row, {**row, "choice": "rows-99"}]}, ("row 2", "no variant 'rows-99'")),
                          ({"rows": [{**row, "shape": "n=3"}]}, ("row 1", "'n=3'")),
                          ({"rows": [{"operation": row["operation"]}]}, ("row 1", "expected an operation"))):
        wrong, empty = t.place() / "wrong.json", own(t)
        wrong.write_text(json.dumps({**saved, **change}))
        t.fails(1, words, "tune", "--device", "pocl", "--import", wrong, env=empty)
        expect(not kept(empty), f"{change}: kept")
    wrong.write_text("{")
    t.fails(1, ("line 1",), "tune", "--device", "pocl", "--import", wrong, env=env)
    t.fails(1, ("none.json",), "tune", "--device", "pocl", "--import", t.place() / "none.json", env=env)
    wrong.write_text(json.dumps({**saved, "kernels": "0"}))
    tune(t, own(t), "--import", wrong).says("measured with the kernels of another version")


@case("tune: each variant in a tuning gives the same bits, and verify passes", needs="pocl")
def _(t):
    net, env = net_of(t), own(t)
    plain = {batch: t.train("--steps", "4", "--batch", batch, net=net).digest() for batch in ("12", "1")}
    path, saved = measured(t, env, net)
    for turn in range(max(map(len, FORCED.values()))):
        rows = [{**row, "choice": FORCED[row["operation"]][turn % len(FORCED[row["operation"]])]}
                for row in saved["rows"]]
        names = [row for row in rows if row["choice"] != row["usual"]]
        expect(names, f"turn {turn}: nothing is forced")
        path.write_text(json.dumps({**saved, "rows": rows}))
        forced = own(t)
        tune(t, forced, "--import", path)
        for batch, digest in plain.items():
            found = t.train("--steps", "4", "--batch", batch, net=net, device="pocl", env=forced).digest()
            expect(found == digest, f"turn {turn}, batch {batch}: other bits with {names}")
    for operation in ("dense_forward", "conv_backward_input", "training"):
        t.run("verify", "--device", "pocl", "--op", operation, "--cases", "10", env=forced)


@case("tune: a variant that is wrong is never chosen", needs="pocl")
def _(t):
    net = net_of(t)
    wrong = f"call={LAUNCH};kernel=dense_backward_weights_few;nth=1;times=0;every=1;corrupt=2;at=0"
    env = below_layer(t, wrong)
    arguments = ("--net", net, "--batches", "8", "--time", f"{MINUTES}s", "--json")
    o = one_object(tune(t, env, *arguments))
    rows = [row for row in o["rows"] if row["operation"] == "dense_backward_parameters"]
    expect(o["refused"] == 1 and rows, f"{o}")
    expect(not any(row["choice"].startswith("few") for row in rows), f"{rows}")
    o = one_object(t.run("devices", "--json", env=env))["devices"]
    expect(o[0]["tier"] == "untested", f"refused for a variant that does not run: {o[0]}")
    # what an imported tuning chooses is tested as well, before it runs
    path = t.place() / "few.json"
    saved = one_object(tune(t, below_layer(t), *arguments))
    rows = [{**row, "choice": "few-8"} for row in saved["rows"] if row["operation"] == "dense_backward_parameters"]
    path.write_text(json.dumps({**saved, "rows": rows}))
    env = below_layer(t, wrong)
    tune(t, env, "--import", path)
    t.fails(1, ("failed its self-test", "dense_backward_parameters"),
            "train", net, t.data, "--device", "pocl", "--batch", "8", "--steps", "2", env=env)


@case("tune --arith fast: CLBlast is a variant of its products on GPUs, and a kernel beside it is exact")
def _(t):
    if not os.path.exists(RUSTICL_ICD):
        raise Skip(f"no {RUSTICL_ICD}")
    net, env = net_of(t), own(t, OCL_ICD_VENDORS=RUSTICL_ICD, RUSTICL_ENABLE="llvmpipe")
    path = t.place() / "fast.json"
    result = t.run("tune", "--device", "rusticl", "--arith", "fast", "--net", net, "--batches", "16", "--time",
                   f"{MINUTES}s", "--export", path, env=env)
    if "CLBlast is not used" in result.err:
        raise Skip("CLBlast is not used: this machine is too busy for its self-test")
    saved = json.loads(path.read_text())
    rows = [row for row in saved["rows"] if row["operation"].startswith("dense")]
    expect({row["usual"] for row in rows} == {"clblast"} and saved["arith"] == "fast", f"{rows}")
    t.fails(1, ("--arith fast",), "tune", "--device", "rusticl", "--import", path, env=env)
    path.write_text(json.dumps({**saved, "rows": [{**row, "choice": "16x16/4x4/8"} for row in rows]}))
    t.run("tune", "--device", "rusticl", "--arith", "fast", "--import", path, env=env)
    digest = t.train("--steps", "4", net=net, device="rusticl", env=env).digest()
    expect(t.train("--steps", "4", "--arith", "fast", net=net, device="rusticl", env=env).digest() == digest,
           "kernels beside CLBlast are not exact")


@case("tune: a cache that cannot be written is an error, before anything is measured", needs="pocl")
def _(t):
    place = t.place() / "file"
    place.write_text("")
    env = {**own(t), "XDG_CACHE_HOME": str(place)}
    begin = time.monotonic()
    t.fails(1, ("the tuning cannot be kept: no cache folder can be used",), "tune", "--device", "pocl", env=env)
    expect(time.monotonic() - begin < 30, "only after the measurement")
    t.fails(1, ("--export",), "tune", "--device", "pocl", "--export", t.place() / "none" / "x", env=own(t))


@case("tune: a damaged tuning is not used, and a note says so", needs="pocl")
def _(t):
    env, net = own(t), net_of(t)
    measured(t, env, net)
    with open(kept(env)[0], "a", encoding="ascii") as file:
        file.write("x")
    result = t.train("--steps", "2", net=net, device="pocl", env=env).says("is damaged, and is not used")
    expect(result.digest() == t.train("--steps", "2", net=net).digest(), "other bits")


@case("tune: SIGINT ends it, and keeps what was measured", needs="pocl")
def _(t):
    env = own(t)
    child = t.start("tune", "--device", "pocl", "--time", f"{MINUTES}s", env=env)
    for line in child.stdout:
        if line.startswith(b"conv") or line.startswith(b"dense"):
            break
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=120)
    expect(child.returncode == 130 and b"interrupted; what was measured is kept" in err, f"{child.returncode} {err}")
    found = re.search(rb"^(\d+) classes of shapes measured", out, re.M)
    with open(kept(env)[0], encoding="ascii") as file:
        expect(found and file.read().count("|") == 5 * int(found[1]), f"{out}")


@case("tune on a terminal: a line that is written over", needs="pocl")
def _(t):
    seen = t.terminal("tune", "--device", "pocl", "--net", net_of(t), "--batches", "4", "--time", "60s", env=own(t))
    expect("batch 4: " in seen and "\r" in seen, seen[-400:])


if __name__ == "__main__":
    sys.exit(main(__doc__))
