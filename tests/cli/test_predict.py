#!/usr/bin/env python3
"""tassello predict: classes, probabilities and values, exact in batches of any size, and what it refuses."""
import csv
import io
import math
import os
import random
import re
import subprocess
import sys

from common import case, expect, flat, main, make_arrays, npy, one_object, png, POCL_ICD, Skip, write_npz

POCL = {"OCL_ICD_VENDORS": POCL_ICD}


def trained(t, kind, *words):
    """A folder with arrays and a checkpoint of a network of that kind: (folder, checkpoint, rows, labels, values)."""
    folder = t.place()
    rows, labels, values = make_arrays(folder)
    t.train("--epochs", "20", *words, "--save", folder / "c", net=folder / f"{kind}.net", data=folder / f"{kind}.npz")
    return folder, folder / "c", rows, labels, values


def predict(t, checkpoint, source, *words, device="reference", **more):
    return t.run("predict", checkpoint, source, "--device", device, *words, **more)


def table(result):
    return list(csv.reader(io.StringIO(result.out)))


@case("predict: a class and its probability for each example; text, CSV and JSON agree")
def _(t):
    folder, c, rows, labels, _ = trained(t, "classes")
    text = predict(t, c, folder / "x.npy", "--top", "3")
    head, *lines = table(predict(t, c, folder / "x.npy", "--csv", "--top", "3"))
    o = one_object(predict(t, c, folder / "x.npy", "--json", "--top", "3"))
    expect(head == ["example", "class", "probability", "class_2", "probability_2", "class_3", "probability_3"],
           f"{head}")
    expect(len(lines) == len(o["predictions"]) == o["examples"] == len(text.out.splitlines()) == 200, "counts")
    right = 0
    for k, (line, one, words) in enumerate(zip(lines, o["predictions"], text.out.splitlines())):
        classes, shares = list(map(int, line[1::2])), list(map(float, line[2::2]))
        expect(line[0] == words.split()[0] == str(one["example"]) == str(k + 1), "the number")
        expect(abs(sum(shares) - 1) < 1e-6 and shares == sorted(shares, reverse=True), f"{shares}")
        expect([p["class"] for p in one["top"]] == classes == list(map(int, words.split()[2::3])), f"{words}")
        expect(all(abs(a - p["probability"]) < 1e-8 for a, p in zip(shares, one["top"])), f"{one}")
        expect([f"{p:.4f}" for p in shares] == words.split()[3::3], words)
        right += classes[0] == labels[k]
    score = one_object(t.run("eval", c, folder / "classes.npz", "--device", "reference", "--json"))
    expect(right > 120 and abs(score["accuracy"] - right / 200) < 1e-6, f"{right} right, {score}")


@case("predict: without --top one class; more than there are: all")
def _(t):
    folder, c, *_ = trained(t, "classes")
    expect(len(table(predict(t, c, folder / "x.npy", "--csv"))[0]) == 3, "one class")
    expect(len(table(predict(t, c, folder / "x.npy", "--csv", "--top", "9"))[0]) == 7, "all classes")


@case("predict --top: refused for values, which have no order")
def _(t):
    folder, c, *_ = trained(t, "values", "--lr", "0.001")
    for form in ((), ("--csv",), ("--json",)):
        t.fails(2, ("--top", "predicts classes", "predicts values"), "predict", c, folder / "x.npy", "--device",
                "reference", "--top", "1", *form)


@case("predict: more examples than are predicted at once")
def _(t):
    folder, c, rows, *_ = trained(t, "classes")
    count = (1 << 16) + 77
    (folder / "many.npy").write_bytes(npy("f", (count, 5), (flat(rows) * (count // 200 + 1))[:5 * count]))
    few = [line[1:] for line in table(predict(t, c, folder / "x.npy", "--csv"))[1:]]
    many = table(predict(t, c, folder / "many.npy", "--csv"))[1:]
    expect(len(many) == count and all(line == [str(k + 1), *few[k % 200]] for k, line in enumerate(many)), "others")


def same_alone(t, words, device, env, examples, multiples):
    """Examples alone, all of them, and all of them within multiples of the smallest budget."""
    folder, c, rows, *_ = trained(t, *words)
    ask = ("--csv", "--top", "3") if words[0] == "classes" else ("--csv",)
    whole = predict(t, c, folder / "x.npy", *ask, device=device, env=env)
    for k in examples:
        (folder / "one.npy").write_bytes(npy("f", (1, 5), rows[k]))
        alone = table(predict(t, c, folder / "one.npy", *ask, device=device, env=env))
        expect(alone[1][1:] == table(whole)[k + 1][1:], f"example {k} alone: {alone}", whole)
    small = t.run("predict", c, folder / "x.npy", "--device", device, "--budget", "1", status=1, env=env)
    least = int(max(re.findall(r"\d+", small.err), key=int))
    for multiple in multiples:
        budget = str(int(least * multiple))
        less = predict(t, c, folder / "x.npy", *ask, "--budget", budget, device=device, env=env)
        expect(less.out == whole.out, f"others with a budget of {budget}", less)
    return folder, c, whole


@case("predict: the same bits for an example alone and among others, and within any budget: classes and values")
def _(t):
    for words in (("classes",), ("values", "--lr", "0.001")):
        same_alone(t, words, "reference", {}, (0, 7, 199), (1, 1.1, 4))


@case("predict: the same on PoCL as on the reference", needs="pocl")
def _(t):
    folder, c, whole = same_alone(t, ("classes",), "pocl", POCL, (7,), (1,))
    expect(predict(t, c, folder / "x.npy", "--csv", "--top", "3").out == whole.out, "another on the reference")


@case("predict: values, from which RMSE is that of eval")
def _(t):
    folder, c, _, _, values = trained(t, "values", "--lr", "0.001")
    head, *lines = table(predict(t, c, folder / "x.npy", "--csv"))
    o = one_object(predict(t, c, folder / "x.npy", "--json"))
    expect(head == ["example", "value"] and o["names"] == [None], f"{head}, {o['names']}")
    expect([float(line[1]) for line in lines] == [p["values"][0] for p in o["predictions"]], "CSV and JSON")
    rmse = math.sqrt(sum((float(line[1]) - v) ** 2 for line, v in zip(lines, values)) / 200)
    score = one_object(t.run("eval", c, folder / "values.npz", "--device", "reference", "--json"))
    expect(abs(score["metrics"]["rmse"] - rmse) < 1e-4, f"{rmse}, {score}")
    first = predict(t, c, folder / "x.npy").out.splitlines()[0].split()
    expect(first[0] == "1" and abs(float(first[1]) - float(lines[0][1])) < 1e-3, f"{first}")


@case("predict: - and a named pipe are stdin, of any format that is recognized; nothing is left in TMPDIR")
def _(t):
    folder, c, *_ = trained(t, "classes")
    spool = t.place()
    wanted = predict(t, c, folder / "x.npy", "--csv")
    with open(folder / "x.npy", "rb") as stream:
        found = predict(t, c, "-", "--csv", stdin=stream, env={"TMPDIR": str(spool)})
    expect(found.out == wanted.out, "others from stdin", found)
    os.mkfifo(folder / "pipe")
    writer = subprocess.Popen(["sh", "-c", 'cat "$0/x.npy" >"$0/pipe"', str(folder)])
    found = predict(t, c, folder / "pipe", "--csv", env={"TMPDIR": str(spool)})
    writer.wait()
    expect(found.out == wanted.out and not os.listdir(spool), f"from a pipe; {os.listdir(spool)}", found)
    failed = t.run("predict", c, "-", "--device", "reference", status=1, env={"TMPDIR": str(spool)})
    expect("stdin" in failed.err and "/tmp" not in failed.err and not os.listdir(spool), "an empty input", failed)
    t.fails(1, ("stdin: cannot be read through a temporary file",), "predict", c, "-", "--device", "reference",
            env={"TMPDIR": "/no/such"})


@case("predict: loss bce: one output is the probability of the second class; several are answers")
def _(t):
    folder = t.place()
    rows, labels, _ = make_arrays(folder)
    x = ("f", (200, 5), flat(rows))
    write_npz(folder / "two.npz", x=x, y=("i", (200,), [k > 0 for k in labels]))
    write_npz(folder / "answers.npz", x=x, y=("f", (200, 2), flat([[k > 0, k > 1] for k in labels])))
    for name, outputs in (("two", 1), ("answers", 2)):
        (folder / f"{name}.net").write_text(f"input 5\ndense {outputs}\nloss bce\n")
        t.train("--epochs", "9", "--save", folder / name, net=folder / f"{name}.net", data=folder / f"{name}.npz")
    head, *lines = table(predict(t, folder / "two", folder / "x.npy", "--csv", "--top", "2"))
    expect(head == ["example", "class", "probability", "class_2", "probability_2"], f"{head}")
    expect(all({a[1], a[3]} == {"0", "1"} and abs(float(a[2]) + float(a[4]) - 1) < 1e-8 for a in lines), f"{lines[:3]}")
    expect(sum((k > 0) == (a[1] == "1") for k, a in zip(labels, lines)) > 130, "nothing was learned")
    head, *lines = table(predict(t, folder / "answers", folder / "x.npy", "--csv"))
    expect(head == ["example", "answer_1", "answer_2"], f"{head}")
    expect(sum((k > 0) == (float(a[1]) > 0.5) for k, a in zip(labels, lines)) > 130, "nothing was learned")


@case("predict: images of a folder of IDX files, or of one file")
def _(t):
    c = t.checkpoint(t.place() / "c")
    whole = predict(t, c, t.data, "--csv")
    expect(len(table(whole)) == 241, "not the training images", whole)
    one = predict(t, c, t.data / "t10k-images-idx3-ubyte", "--csv")
    expect(len(table(one)) == 81, "not the images of the file", one)


def houses(count):
    """A table with a column of words, one to ignore, and a price that depends on both others."""
    lines = ["id,age,city,price"]
    for k in range(count):
        lines.append(f"{1000 + k},{k * 7 % 50},{('Bari', 'Como', 'Pisa')[k % 3]},{100000 + 1000 * (k * 7 % 50)}")
    return lines


@case("predict: rows of a table, with or without its target, in another order of columns, or without a header")
def _(t):
    folder = t.place()
    lines = houses(60)
    (folder / "t.csv").write_text("\n".join(lines))
    t.run("train", "tabular", folder / "t.csv", "--device", "reference", "--ignore", "id", "--epochs", "60", "--save",
          folder / "c")
    wanted = predict(t, folder / "c", folder / "t.csv", "--csv")
    head, *rows = table(wanted)
    expect(head == ["example", "price"] and len(rows) == 60, f"{head}")
    error = sum(abs(float(row[1]) - float(line.split(",")[3])) for row, line in zip(rows, lines[1:])) / 60
    expect(error < 8000, f"off by {error}: not in the units of the data?", wanted)
    fields = [line.split(",") for line in lines]
    for name, order in (("without the target", (0, 1, 2)), ("in another order", (2, 3, 0, 1)),
                        ("without what is ignored", (1, 2, 3)), ("inputs alone", (1, 2))):
        text = "\n".join(",".join(row[k] for k in order) for row in fields)
        found = t.run("predict", folder / "c", "-", "--device", "reference", "--csv", stdin=feed(folder, text))
        expect(found.out == wanted.out, name, found)
    text = "\n".join(",".join(row) for row in fields[1:])
    found = predict(t, folder / "c", "-", "--csv", "--header", "no", stdin=feed(folder, text))
    expect(found.out == wanted.out, "without a header", found)
    for text, words in (("id,age,city\n1,3,Rome\n", ("stdin:2", "column 'city'", "'Rome'")),
                        ("id,age,town\n1,3,Bari\n", ("stdin", "no column 'city'")),
                        ("age,city\nold,Bari\n", ("stdin:2", "column 'age'", "old")),
                        ("age,city\n3\n", ("stdin:2", "1 field"))):
        t.fails(1, words, "predict", folder / "c", "-", "--device", "reference", stdin=feed(folder, text))


def feed(folder, text):
    (folder / "stdin").write_text(text)
    return open(folder / "stdin", "rb")


@case("inspect: of a checkpoint also its columns, their words, targets and classes")
def _(t):
    folder = t.place()
    (folder / "t.csv").write_text("\n".join(houses(60)))
    for target, lines in (("price", ("columns      id, age, city (Bari, Como, Pisa)", "targets      price")),
                          ("city", ("columns      id, age, price", "targets      city",
                                    "classes      Bari, Como, Pisa"))):
        t.run("train", "tabular", folder / "t.csv", "--device", "reference", "--target", target, "--steps", "1",
              "--save", folder / "c")
        result = t.run("inspect", folder / "c")
        expect(all(line in result.out.splitlines() for line in ("data         csv", *lines)), f"{lines}", result)
        o = one_object(t.run("inspect", folder / "c", "--json"))
        expect(o["data"]["target_names"] == [target], f"{o['data']}")
    expect("data " not in t.run("inspect", "mlp").out, "data of a network without any")


@case("predict: pictures of a folder, and one alone, are called by their files; the same from stdin")
def _(t):
    folder = t.place()
    draw = random.Random(1)
    for name in ("cat", "dog"):
        (folder / "set" / name).mkdir(parents=True)
        pattern = draw.randbytes(64)
        for k in range(12):
            noise = draw.randbytes(64)
            pixels = bytes((3 * a + b) // 4 for a, b in zip(pattern, noise))
            (folder / "set" / name / f"{k}.png").write_bytes(png(8, 8, pixels))
    (folder / "net").write_text("input 1x8x8\ndense 8\nrelu\ndense 2\n")
    made = t.run("train", folder / "net", folder / "set", "--device", "reference", "--epochs", "30", "--lr", "0.05",
                 "--save", folder / "c", status=None)
    if "made without" in made.err:
        raise Skip("no libpng")
    expect(made.status == 0, "not trained", made)
    lines = predict(t, folder / "c", folder / "set").out.splitlines()
    expect(len(lines) == 24, f"{lines}")
    expect(all(re.search(r"(cat|dog)/\d+\.png  \1 [01]\.\d{4}$", line) for line in lines), f"{lines}")
    one = folder / "set" / "dog" / "3.png"
    wanted = [line for line in lines if line.startswith(str(one))]
    expect(predict(t, folder / "c", one).out.splitlines() == wanted, "one alone")
    with open(one, "rb") as stream:
        found = predict(t, folder / "c", "-", stdin=stream)
    expect(found.out.split() == ["1", *wanted[0][len(str(one)):].split()], "from stdin", found)
    (folder / "big.png").write_bytes(png(16, 4, bytes(64)))
    predict(t, folder / "c", folder / "big.png")
    t.fails(1, ("big.png", "16"), "predict", folder / "c", folder / "big.png", "--resize", "no", "--device", "none")
    (folder / "bad.png").write_bytes(one.read_bytes()[:-30])
    t.fails(1, ("bad.png",), "predict", folder / "c", folder / "bad.png", "--device", "none")


REFUSED = [
    ("a text for a checkpoint", lambda f: (f / "values.net", f / "x.npy"), (), 1,
     ("expected a safetensors checkpoint",)),
    ("a checkpoint that is not there", lambda f: (f / "none", f / "x.npy"), (), 1, ("No such file",)),
    ("an input that is not there", lambda f: (f / "c", f / "none"), (), 1, ("No such file",)),
    ("a network for an input", lambda f: (f / "c", f / "values.net"), (), 1, ("values.net",)),
    ("an array of other sizes", lambda f: (f / "c", put(f / "a.npy", npy("f", (3, 4), [0] * 12))), (), 1,
     ("a.npy", "4", "expected 5")),
    ("an array that is cut off", lambda f: (f / "c", put(f / "a.npy", npy("f", (3, 5), [0] * 15)[:-2])), (), 1,
     ("a.npy",)),
    ("an array with NaN", lambda f: (f / "c", put(f / "a.npy", npy("f", (1, 5), [0, 0, math.nan, 0, 0]))), (), 1,
     ("a.npy", "finite")),
    ("an array without examples", lambda f: (f / "c", put(f / "a.npy", npy("f", (0, 5), []))), (), 1, ("a.npy",)),
    ("an empty file", lambda f: (f / "c", put(f / "empty", b"")), (), 1, ("empty",)),
    ("--top 0", lambda f: (f / "c", f / "x.npy"), ("--top", "0"), 2, ("--top 0", "from 1")),
    ("--csv and --json", lambda f: (f / "c", f / "x.npy"), ("--csv", "--json"), 2, ("--csv and --json",)),
    ("--missing drop", lambda f: (f / "c", f / "x.npy"), ("--missing", "drop"), 2, ("--missing drop", "mean")),
    ("another format", lambda f: (f / "c", f / "x.npy"), ("--format", "npz"), 1, ("x.npy",)),
    ("no such format", lambda f: (f / "c", f / "x.npy"), ("--format", "xls"), 2, ("--format xls", "expected auto")),
    ("no such device", lambda f: (f / "c", f / "x.npy"), ("--device", "no such"), 1, ("no such",)),
    ("no input", lambda f: (f / "c",), (), 2, ("INPUT is missing",)),
]


def put(path, data):
    path.write_bytes(data)
    return path


for _name, _files, _words, _status, _texts in REFUSED:
    def refused(t, files=_files, words=_words, status=_status, texts=_texts):
        folder, *_ = trained(t, "classes")
        t.fails(status, texts, "predict", *files(folder), "--device", "reference", *words)
    case(f"predict: {_name}: status {_status}")(refused)


if __name__ == "__main__":
    sys.exit(main(__doc__))
