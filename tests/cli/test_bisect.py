#!/usr/bin/env python3
"""train --trace and bisect: traces that do not depend on tiles and memory, a planted difference between two drivers (a
rule of the fault layer, $TASSELLO_FAULT_LAYER), and files that are no traces.
"""

import json
import os
import sys

from common import below_layer, POCL_ICD, RUSTICL_ICD, case, expect, main, one_object


def trace(t, path, *arguments, **more):
    t.train("--steps", "6", "--trace", path, *arguments, **more)
    return path


def planted(t, kernel, nth, argument):
    """After the network's first use, which has launches of its own."""
    env = below_layer(t)
    t.train("--steps", "1", "--trace", t.place() / "first", device="pocl", env=env)
    fault = f"call=clEnqueueNDRangeKernel;kernel={kernel};nth={nth};corrupt={argument};at=0;"
    return {**env, "TASSELLO_FAULT": fault + "platform=Portable Computing Language"}


@case("a trace: a head that repeats the run, and a line per step; the run has the same digest")
def _(t):
    place = t.place()
    plain = t.train("--steps", "6").digest()
    result = t.train("--steps", "6", "--trace", place / "a", "--trace-every", "2")
    expect(result.digest() == plain, "another digest", result)
    head, *steps = [json.loads(line) for line in (place / "a").read_text().splitlines()]
    expect(head["tassello_trace"] == 1 and head["device"] == "reference" and head["every"] == 2, f"{head}")
    expect([step["step"] for step in steps] == [1, 2, 4, 6], f"{steps}")
    names = [entry[:2] for entry in steps[0]["digests"]]
    expect(names[:2] == [["gather_bytes", "input"], ["gather_bytes", "label"]], f"{names}")
    expect(["sgd", "1.dense.weight.momentum"] in names, f"{names}")
    expect(all(len(entry[2]) == 64 for step in steps for entry in step["digests"]), "no digests")
    again = t.run("train", *head["command"])
    expect(again.digest() == plain, "the command of the head is another run", again)


@case("traces of other tiles, budgets and ways to keep values are equal")
def _(t):
    place = t.place()
    net = place / "net"
    net.write_text("input 1x8x8\nconv2d 4 3\nbatch_norm\nrelu\ndense 12\ndropout 0.3\ndense 4\n")
    one = trace(t, place / "one", net=net)
    other = trace(t, place / "other", "--tile", "5", "--keep-on-host", "--noise", net=net)
    result = t.run("bisect", one, other)
    expect("equal        all 6 steps that both have" in result.out, "not equal", result)
    told = one_object(t.run("bisect", one, other, "--json"))
    expect(told["equal"] is True and told["compared"] == 6, f"{told}")
    longer = place / "longer"
    t.train("--steps", "9", "--trace", longer, "--trace-every", "3", net=net)
    expect(one_object(t.run("bisect", one, longer, "--json"))["compared"] == 3, "steps 1, 3 and 6")


@case("traces that cannot be compared are refused, and the reason is said")
def _(t):
    place = t.place()
    one = trace(t, place / "one")
    net = place / "net"
    net.write_text("input 1x8x8\ndense 9\nrelu\ndense 4\n")
    t.fails(2, ["other networks"], "bisect", one, trace(t, place / "net.trace", net=net))
    t.fails(2, ["other data"], "bisect", one, trace(t, place / "data", "--examples", "100"))
    t.fails(2, ["other settings", "seed is 1 in the first and 5 in the second"], "bisect", one,
            trace(t, place / "seed", "--seed", "5"))
    t.fails(2, ["other settings", "batch is 16"], "bisect", one, trace(t, place / "batch", "--batch", "15"))
    text = one.read_text()
    (place / "contract").write_text(text.replace('"contract":', '"contract":9', 1))
    t.fails(2, ["arithmetic contract"], "bisect", one, place / "contract")


@case("files that are no traces, or not whole")
def _(t):
    place = t.place()
    one = trace(t, place / "one")
    whole = one.read_bytes()
    lines = whole.split(b"\n")
    for name, data, words in (
            ("empty", b"", "is empty"),
            ("foreign", b"hello\nworld\n", "is no trace"),
            ("binary", bytes(range(256)) * 9, "is no trace"),
            ("array", b"[1]\n", "is no trace"),
            ("later", b'{"tassello_trace":2}\n', "does not know"),
            ("damaged head", b'{"tassello_trace":1}\n', "is damaged"),
            ("damaged step", lines[0] + b'\n{"step":1,"digests":[["a","b"]]}\n', "expected the digests"),
            ("no step", lines[0] + b'\n[]\n', "is not a line of a trace"),
            ("backwards", b"\n".join([lines[0], lines[2], lines[1], b""]), "expected the digests"),
            ("head alone", lines[0] + b"\n", "have no step in common")):
        (place / name).write_bytes(data)
        t.fails(2, [words], "bisect", one, place / name)
        t.fails(2, [words], "bisect", place / name, one)
    t.fails(2, ["No such file"], "bisect", one, place / "nothing")
    t.fails(2, ["cannot be read"], "bisect", one, place)
    head = len(lines[0]) + 1
    for cut in (head + len(lines[1]) + 40, len(whole) - 1):
        (place / "cut").write_bytes(whole[:cut])
        t.run("bisect", one, place / "cut").says("ends within a line, after step")
    for cut in range(0, len(whole), 997):  # never a crash
        (place / "cut").write_bytes(whole[:cut])
        t.run("bisect", one, place / "cut", status=0 if cut > head + len(lines[1]) else 2)


@case("what differs is named: the first step, and the first of its operations")
def _(t):
    place = t.place()
    one = trace(t, place / "one")
    lines = one.read_text().splitlines()
    for number in (3, 5):
        step = json.loads(lines[number])
        for entry in step["digests"][4:7]:
            entry[2] = "0" * 64
        lines[number] = json.dumps(step)
    (place / "other").write_text("\n".join(lines) + "\n")
    name = " ".join(json.loads(lines[3])["digests"][4][:2]).replace(" ", ": ", 1)
    result = t.run("bisect", one, place / "other", status=1)
    expect(f"different    step 3: {name}; 3 of " in result.out and "equal        up to step 2" in result.out,
           f"not {name}", result)
    told = one_object(t.run("bisect", one, place / "other", "--json", status=1))
    expect((told["step"], told["equal_step"], told["different"]) == (3, 2, 3), f"{told}")
    result = t.run("bisect", one, place / "other", "--repeat", status=1)  # nothing really differs
    result.says("what differs does not repeat itself")


@case("a difference that is planted in one of two drivers is found, with its elements", needs="pocl")
def _(t):
    place, fault = t.place(), planted(t, "sgd", 5, 1)  # step 4, after the one before the first
    right = trace(t, place / "right")
    t.train("--steps", "6", "--trace", place / "wrong", "--trace-every", "6", device="pocl", env=fault)
    result = t.run("bisect", place / "wrong", right, status=1)
    expect("different    step 6: " in result.out, "the first that both have is step 6", result)
    told = one_object(t.run("bisect", place / "wrong", right, "--repeat", "--json", status=1, env=fault))
    expect((told["step"], told["operation"], told["tensor"]) == (4, "sgd", "1.dense.weight"), f"{told}")
    expect(told["equal_step"] == 3 and told["different"] == 1 and told["different_elements"] == 1, f"{told}")
    (value,) = told["values"]
    expect(int(value["first_bits"], 16) ^ int(value["second_bits"], 16) == 1 and value["ulp"] == 1, f"{value}")
    result = t.run("bisect", place / "wrong", right, "--repeat", status=1, env=fault)
    expect("different    step 4: sgd: 1.dense.weight; 1 of " in result.out and
           f"elements     1 of {told['elements']} differ" in result.out, "not printed", result)
    result = t.run("bisect", place / "wrong", right, "--repeat", "--elements", "0", status=1, env=fault)
    expect(value["first_bits"] not in result.out, "an element too many", result)
    t.fails(2, ["cannot be repeated here"], "bisect", place / "wrong", right, "--repeat")  # no driver
    if os.path.exists(RUSTICL_ICD):
        both = {"OCL_ICD_VENDORS": os.path.dirname(POCL_ICD), "RUSTICL_ENABLE": "llvmpipe"}
        right = trace(t, place / "right on rusticl", device="rusticl", env=both)
        result = t.run("bisect", right, place / "wrong", "--repeat", status=1, env={**fault, **both})
        expect("different    step 4: sgd: 1.dense.weight; 1 of " in result.out and
               value["first_bits"][2:] in result.out, "not found", result)


@case("options of traces that do not go together, and a file that cannot be written")
def _(t):
    place = t.place()
    for words in (["--trace-every", "2"], ["--trace-only", "1:2"]):
        t.fails(2, ["requires --trace FILE"], "train", t.net, t.data, *words)
    for value in ("1", "3:2", "0:1", "1:2:0", "1:2:3:4", "a:b"):
        t.fails(2, ["--trace-only"], "train", t.net, t.data, "--trace", place / "a", "--trace-only", value)
    t.fails(2, ["--batch grow"], "train", t.net, t.data, "--trace", place / "a", "--batch", "grow")
    t.fails(2, ["two different files"], "train", t.net, t.data, "--trace", place / "a", "--save", place / "a")
    t.fails(2, ["would overwrite"], "train", t.net, t.data, "--trace", t.net)
    t.fails(1, ["--trace", "cannot be written"], "train", t.net, t.data, "--trace", place / "none" / "a")
    expect(not list(place.iterdir()), "something was written")
    t.train("--steps", "2", "--trace", "/dev/full", status=1).says("--trace /dev/full: cannot be written")
    only = trace(t, place / "only", "--trace-only", "3:4:2")
    steps = [json.loads(line) for line in only.read_text().splitlines()[1:]]
    expect([step["step"] for step in steps] == [3, 4] and len(steps[0]["values"]) == 8 * 16, f"{steps}")


if __name__ == "__main__":
    sys.exit(main(__doc__))
