#!/usr/bin/env python3
"""tassello data, and how the other commands read DATA."""
import os
import re
import shutil
import sys

from common import case, expect, main, make_arrays, make_set, one_object, write_npz


def ranges(columns):
    return [(min(c), sum(c) / len(c), max(c)) for c in columns]


def near(a, b):
    return abs(a - b) <= 1e-5 * max(1, abs(b))


@case("data: a set of IDX files: format, splits, counts of classes, range; the same in --json")
def _(t):
    result = t.run("data", t.data)
    o = one_object(t.run("data", t.data, "--json"))
    for line in (rf"^data +{re.escape(str(t.data))}$", "^format +idx: ", "^examples +240 to train, 80 to test$",
                 "^inputs +8 x 8 bytes; layers see byte / 255$", "^targets +4 classes$", "^  all pixels +"):
        expect(re.search(line, result.out, re.M), f"no line {line}", result)
    for k in range(4):
        expect(re.search(rf"^  {k} +60 +20$", result.out, re.M), f"class {k}", result)
    expect(len(re.findall(r"^  \d  class \d:  pixels of mean 0\.\d{3}$", result.out, re.M)) == 5, "examples", result)
    expect(o["format"] == "idx" and o["problems"] == [] and o["input"]["type"] == "byte", f"{o}")
    expect([o["input"][k] for k in ("size", "channels", "height", "width")] == [64, 1, 8, 8], f"{o}")
    for split, count in (("train", 240), ("test", 80)):
        expect(o[split]["examples"] == o[split]["ranges_of"] == count and not o[split]["held_out"], f"{o[split]}")
        expect([c["examples"] for c in o[split]["classes"]] == [count // 4] * 4, f"{o[split]}")
        pixels = (t.data / f"{'t10k' if split == 'test' else split}-images-idx3-ubyte").read_bytes()[16:]
        found = o[split]["inputs"][0]
        expect(all(near(found[k], v) for k, v in zip(("min", "mean", "max"), ranges([[p / 255 for p in pixels]])[0])),
               f"{found}")
    expect([e["class"] for e in o["first_examples"]] == [0, 1, 2, 3, 0], f"{o['first_examples']}")


@case("data: without a test split a tenth is held out, or --test of it; ranges of each input, of the rest")
def _(t):
    folder = t.place()
    rows, labels, values = make_arrays(folder)
    for words, count in (((), 20), (("--test", "25%"), 50), (("--test", "7"), 7)):
        o = one_object(t.run("data", folder / "classes.npz", "--json", *words))
        expect(o["test"]["held_out"] and not o["train"]["held_out"], f"{o}")
        expect((o["train"]["examples"], o["test"]["examples"]) == (200 - count, count), f"{o}")
        both = [a["examples"] + b["examples"] for a, b in zip(o["train"]["classes"], o["test"]["classes"])]
        expect(both == [labels.count(k) for k in range(3)], f"{both}")
        least = [min(o[s]["inputs"][k]["min"] for s in ("train", "test")) for k in range(5)]
        expect(all(near(a, min(c)) for a, c in zip(least, zip(*rows))), f"{least}")
    result = t.run("data", folder / "classes.npz")
    expect("180 to train, 20 to test, held out: there is no test split" in result.out, "not said", result)
    expect(re.search(r"^  input 5( +-?\d+\.\d+){3}$", result.out, re.M), "no ranges", result)


@case("data: values to predict: their range; all of them in the examples")
def _(t):
    folder = t.place()
    _, _, values = make_arrays(folder)
    o = one_object(t.run("data", folder / "values.npz", "--json", "--test", "1"))
    found = o["train"]["targets"][0]
    expect(found["min"] > min(values) - 1e-4 and found["max"] < max(values) + 1e-4, f"{o}")
    expect(abs(found["mean"] - sum(values) / len(values)) < 0.1, f"{found}")
    expect("classes" not in o["train"], f"{o}")
    result = t.run("data", folder / "values.npz")
    expect(re.search(r"^targets +1 value per example$", result.out, re.M), "targets", result)
    expect(re.search(r"^  target 1( +\d+\.?\d*){3}$", result.out, re.M), "their range", result)


@case("data: a set of its own for the test is not held out, and --test changes nothing")
def _(t):
    for words in ((), ("--test", "20%")):
        o = one_object(t.run("data", t.data, "--json", *words))
        expect((o["train"]["examples"], o["test"]["examples"]) == (240, 80), f"{o}")


@case("data: what cannot be used: status 1, problems on stderr; in --json as well")
def _(t):
    data = t.place() / "d"
    shutil.copytree(t.data, data)
    (data / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\3\0\0")
    t.fails(1, ("tassello data: ", "train-images-idx3-ubyte", "header"), "data", data)
    result = t.run("data", data, "--json", status=1)
    o = one_object(result)
    expect(len(o["problems"]) == 1 and "train-images-idx3-ubyte" in o["problems"][0], f"{o}")
    t.fails(1, ("No such file",), "data", "/no/such")
    t.fails(2, ("DATA is missing",), "data")


@case("data --net: whether the set fits a network")
def _(t):
    folder = t.place()
    make_arrays(folder)
    result = t.run("data", t.data, "--net", t.net)
    expect(re.search(r"^network +.*small net.txt: they fit$", result.out, re.M), "not said", result)
    (folder / "other.net").write_text("input 60\ndense 4\n")
    t.fails(1, ("60",), "data", t.data, "--net", folder / "other.net")
    t.fails(1, ("has 2 outputs", "3 classes"), "data", folder / "classes.npz", "--net", net_of(folder, 5, 2))
    t.fails(1, ("unknown layer",), "data", t.data, "--net", net_of(folder, 64, 4, "foo\n"))


def net_of(folder, inputs, outputs, more=""):
    path = folder / f"{inputs}-{outputs}.net"
    path.write_text(f"input {inputs}\n{more}dense {outputs}\n")
    return path


@case("data: 80 columns, also of many classes and long names; the rest is in --json")
def _(t):
    folder = t.place()
    write_npz(folder / "wide.npz", x=("f", (120, 70), [k / 7 for k in range(120 * 70)]),
              y=("i", (120,), [k % 3 for k in range(120)]))
    for data, rest in ((folder / "wide.npz", 38), (make_set(folder / "many", classes=60), 28)):
        result = t.run("data", data)
        lines = [line for line in result.out.splitlines() if not line.startswith("data ")]
        expect(all(len(line) <= 80 for line in lines), "wide", result)
        expect(f"  and {rest} more, which --json has" in lines, "not cut", result)
    o = one_object(t.run("data", folder / "wide.npz", "--json"))
    expect(len(o["train"]["inputs"]) == 70, f"{o}")


@case("train: without a test split one is held out, whatever the seed, and that is noted; eval --test has the same")
def _(t):
    folder = t.place()
    make_arrays(folder)
    data = folder / "classes.npz"
    for seed in ("1", "5"):
        trained = t.train("--epochs", "3", "--seed", seed, "--save", folder / "c", net=folder / "classes.net",
                          data=data)
        trained.says("has no test split: 20 of its 200 examples are held out as one; --test sets how many")
        expect("180 examples to train, 20 to test" in trained.out, "counts", trained)
        again = t.run("eval", folder / "c", data, "--device", "reference", "--test", "10%")
        expect(again.out.splitlines()[-2:] == trained.out.splitlines()[-2:], "another result", again)
        expect("note" not in again.err, "a note", again)
        whole = t.run("eval", folder / "c", data, "--device", "reference")
        whole.says("has no test split: all its 200 examples are evaluated")
        expect("200 examples to test" in whole.out, "counts", whole)
    half = t.train("--epochs", "3", "--test", "50%", net=folder / "classes.net", data=data)
    expect("100 examples to train, 100 to test" in half.out, "counts", half)


@case("train, plan: the batch is 64, or all examples if there are fewer; one that was given is refused")
def _(t):
    folder = t.place()
    make_arrays(folder, 40)
    where = (folder / "classes.net", folder / "classes.npz", "--device", "reference")
    result = t.run("train", *where, "--steps", "1")
    expect("settings     batch 36 lr" in result.out, "another batch", result)
    expect(one_object(t.run("plan", *where, "--json"))["batch"] == 36, "another plan")
    for command in ("train", "plan"):
        t.fails(2, ("--batch 64", "36 examples"), command, *where, "--batch", "64")


@case("--test: as many as there are, or none: status 2")
def _(t):
    folder = t.place()
    make_arrays(folder)
    where = ("train", folder / "classes.net", folder / "classes.npz", "--device", "reference")
    t.fails(2, ("--test 0", "expected"), *where, "--test", "0")
    t.fails(2, ("--test 100%", "below 100%"), *where, "--test", "100%")
    t.fails(2, ("cannot hold out 200 examples", "there are 200"), *where, "--test", "200")


@case("regression: RMSE, MAE and R2 before the last lines of train and eval")
def _(t):
    folder = t.place()
    make_arrays(folder)
    words = {"net": folder / "values.net", "data": folder / "values.npz"}
    trained = t.train("--epochs", "30", "--lr", "0.001", "--save", folder / "c", **words)
    line = r"^metrics      RMSE \d[\d.]* MAE \d[\d.]* R2 -?\d\.\d{4}\ntest loss"
    expect(re.search(line, trained.out, re.M), "no metrics", trained)
    again = t.run("eval", folder / "c", words["data"], "--device", "reference", "--test", "10%")
    expect(trained.out.splitlines()[-3:] == again.out.splitlines()[-3:], "others", again)
    o = one_object(t.run("eval", folder / "c", words["data"], "--device", "reference", "--json"))
    expect(o["accuracy"] is None and o["metrics"]["rmse"] > 0, f"{o}")


@case("classes and values: a network of the other kind is refused before the device is opened")
def _(t):
    folder = t.place()
    make_arrays(folder)
    t.fails(1, ("y: example 0: label", "expected a whole number"), "train", folder / "classes.net",
            folder / "values.npz", "--device", "none such")
    (folder / "two.net").write_text("input 5\ndense 2\nloss mse\n")
    t.fails(1, ("has 2 outputs", "1 value"), "train", folder / "two.net", folder / "values.npz", "--device",
            "none such")


@case("an output never replaces the file DATA, nor a file below the folder DATA; Tassello's own outputs there it may")
def _(t):
    folder = t.place()
    make_arrays(folder)
    data, before = folder / "values.npz", (folder / "values.npz").read_bytes()
    where = ("train", folder / "values.net", data, "--device", "reference", "--steps", "1")
    (folder / "link").symlink_to(data)
    os.link(data, folder / "other name")
    for option in ("--save", "--log"):
        for path in (data, folder / "link", folder / "other name"):
            t.fails(2, (option, "would overwrite a file of DATA"), *where, option, path)
    inner = t.place() / "d"
    shutil.copytree(t.data, inner)
    (inner / "more").mkdir()
    (inner / "more" / "picture").write_bytes(b"mine")
    where = ("train", t.net, inner, "--device", "reference", "--steps", "1")
    os.link(inner / "more" / "picture", folder / "outside")
    for path in (inner / "more" / "picture", inner / "t10k-images-idx3-ubyte", folder / "outside"):
        t.fails(2, ("--log", "would overwrite a file of DATA"), *where, "--log", path)
    for _ in range(2):
        t.run(*where, "--save", inner / "c", "--log", inner / "log")
    images, labels = (shutil.copy(inner / f"train-{name}-ubyte", folder) for name in ("images-idx3", "labels-idx1"))
    t.fails(2, ("--save", "would overwrite a file of DATA"), *where, "--save", images, "--train-images", images,
            "--train-labels", labels)
    expect(data.read_bytes() == before, "the data have changed")


@case("eval --metrics: names of classes behind their rows")
def _(t):
    folder = t.place()
    names = ["coat", "shoe", "a bag"]
    rows, labels, _ = make_arrays(folder)
    text = "".join(",".join(f"{v:.6f}" for v in row) + f",{names[k]}\n" for row, k in zip(rows, labels))
    (folder / "t.csv").write_text("a,b,c,d,e,kind\n" + text)
    t.train("--epochs", "2", "--save", folder / "c", net=folder / "classes.net", data=folder / "t.csv")
    result = t.run("eval", folder / "c", folder / "t.csv", "--device", "reference", "--metrics")
    for k, name in enumerate(sorted(names)):
        expect(len(re.findall(rf"^ +{k} .*  {name}$", result.out, re.M)) == 2, name, result)
    o = one_object(t.run("eval", folder / "c", folder / "t.csv", "--device", "reference", "--metrics", "--json"))
    expect([c["name"] for c in o["metrics"]["classes"]] == sorted(names), f"{o}")


if __name__ == "__main__":
    sys.exit(main(__doc__))
