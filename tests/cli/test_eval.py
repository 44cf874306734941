#!/usr/bin/env python3
"""tassello eval: checkpoints that are damaged, missing, or do not fit."""
import json
import os
import re
import struct
import sys

from common import case, expect, main, make_set, one_object, NET


def safetensors(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def edited(change):
    """The checkpoint with its header and data changed."""
    def apply(raw):
        size = struct.unpack("<Q", raw[:8])[0]
        header, data = json.loads(raw[8:8 + size]), bytearray(raw[8 + size:])
        data = change(header, data) or data
        return safetensors(header, bytes(data))
    return apply


def poke(value):
    return lambda header, data: data.__setitem__(slice(40, 44), struct.pack("<f", value))


CHECKPOINTS = [
    ("empty", lambda raw: b"", ("expected a safetensors checkpoint", "an empty file")),
    ("a text", lambda raw: NET.encode(), ("expected a safetensors checkpoint", "a network's text")),
    ("a picture", lambda raw: b"\x89PNG\r\n\x1a\n" + bytes(5000), ("expected a safetensors checkpoint", "a PNG image")),
    ("truncated within the data", lambda raw: raw[:-100], ("truncated",)),
    ("truncated within the header", lambda raw: raw[:60], ("truncated",)),
    ("trailing bytes", lambda raw: raw + b"more", ("trailing bytes",)),
    ("a header that is no JSON", lambda raw: safetensors(b"{]"), ("header", "JSON")),
    ("a header of 2^63 bytes", lambda raw: struct.pack("<Q", 1 << 63) + raw[8:],
     ("expected a safetensors checkpoint",)),
    ("no network in it", edited(lambda h, d: h.pop("__metadata__") and None), ("no network", "tassello.network")),
    ("a network that is wrong", edited(lambda h, d: h["__metadata__"].update({"tassello.network": "input 64\nfoo\n"})),
     (":2:", "unknown layer 'foo'")),
    ("another network than its tensors",
     edited(lambda h, d: h["__metadata__"].update({"tassello.network": "input 64\ndense 9\n"})),
     ("1.dense.weight", "shape")),
    ("a tensor is missing", edited(lambda h, d: h.__setitem__("x", h.pop("3.dense.bias"))), ("tensor 3.dense.bias",)),
    ("NaN among the weights", edited(poke(float("nan"))), ("1.dense.", "not finite")),
    ("infinity among the weights", edited(poke(float("inf"))), ("1.dense.", "not finite")),
    ("weights of another type", edited(lambda h, d: h["3.dense.bias"].update(dtype="F16")),
     ("F16", "expected \"F32\"")),
    ("tensors that overlap", edited(lambda h, d: h["3.dense.bias"].update(data_offsets=[0, 16])), ("overlap",)),
]
for _name, _change, _texts in CHECKPOINTS:
    def bad_checkpoint(t, change=_change, texts=_texts):
        path = t.checkpoint(t.place() / "c.safetensors")
        path.write_bytes(change(path.read_bytes()))
        t.fails(1, (str(path), *texts), "eval", path, t.data, "--device", "reference")
    case(f"eval: {_name}: status 1, said with its path")(bad_checkpoint)


@case("eval: terminal escapes in a checkpoint, and in paths, are not printed raw")
def _(t):
    path = t.checkpoint(t.place() / "c\x1b]0;x\x07")
    change = edited(lambda h, d: h["__metadata__"].update({"tassello.training": "batch \x1b[31m16"}))
    path.write_bytes(change(path.read_bytes()))
    result = t.run("eval", path, t.data, "--device", "reference")
    expect("\x1b" not in result.out and "batch \\x1b[31m16" in result.out, "a raw escape", result)
    for words in (("eval", str(path) + "x", t.data), ("inspect", str(path) + "x"), ("train", t.net, "\x1b[31m"),
                  ("\x1b[31m",), ("train", "--\x1b[31m")):
        result = t.run(*words, status=None)
        expect(result.status != 0 and "\x1b" not in result.err and "\\x1b" in result.err, "a raw escape", result)
    expect("\x1b" not in t.run("inspect", path).out, "a raw escape")


@case("eval: a checkpoint that is not there, a folder, a pipe; data that do not fit or are not: before the device")
def _(t):
    path = t.checkpoint(t.place() / "c")
    t.fails(1, ("no such.st", "No such file"), "eval", "no such.st", t.data, "--device", "none such")
    t.fails(1, (str(t.data), "not a regular file"), "eval", t.data, t.data, "--device", "none such")
    t.fails(1, ("49 numbers per example", "expected 64"), "eval", path, make_set(t.place() / "d", size=7), "--device",
            "none such")
    t.fails(1, ("label 4", "0 to 3"), "eval", path, make_set(t.place() / "d", classes=6), "--device",
            "none such")
    t.fails(1, ("/no/data", "No such file"), "eval", path, "/no/data", "--device", "none such")
    pipe = t.place() / "pipe"
    os.mkfifo(pipe)
    t.fails(1, ("pipe", "not a regular file"), "eval", pipe, t.data, "--device", "none such", timeout=10)


@case("eval: weights so large that the loss is not finite: said, status 1")
def _(t):
    path = t.checkpoint(t.place() / "c")
    path.write_bytes(edited(lambda h, d: struct.pack("<f", 3e38) * (len(d) // 4))(path.read_bytes()))
    t.run("eval", path, t.data, "--device", "reference", status=1).says("finite")


@case("eval --metrics: tables of classes and of what was taken for what; top-5 with more than five; the same in --json")
def _(t):
    place = t.place()
    for classes, loss in ((4, "softmax"), (7, "softmax smoothing 0.1 weights 1,1,2,1,1,1,3"), (7, "bce")):
        net = place / "n.net"
        net.write_text(f"input 64\ndense 8\nrelu\ndense {classes}\nloss {loss}\n")
        data = make_set(t.place() / "d", classes=classes)
        trained = t.train("--steps", "20", "--save", place / "c", net=net, data=data)
        plain = t.run("eval", place / "c", data, "--device", "reference")
        result = t.run("eval", place / "c", data, "--device", "reference", "--metrics")
        o = one_object(t.run("eval", place / "c", data, "--device", "reference", "--metrics", "--json"))
        m, matrix = o["metrics"], o["metrics"]["confusion"]
        expect(result.out.splitlines()[-2:] == plain.out.splitlines()[-2:] == trained.out.splitlines()[-2:],
               "other result lines", result)
        expect("metrics" not in plain.out and ("top-5" in result.out) == ("top-5" in trained.out) == (classes > 5),
               "top-5", result)
        expect(sum(map(sum, matrix)) == 80 and len(matrix) == len(m["classes"]) == classes, f"{m}")
        right = sum(matrix[i][i] for i in range(classes))
        expect(abs(m["accuracy"] - right / 80) < 1e-9 and (o["accuracy"] in (None, m["accuracy"])), f"{o}")
        for i, one in enumerate(m["classes"]):
            expect(one["support"] == sum(matrix[i]) and one["predicted"] == sum(row[i] for row in matrix), f"{i}: {m}")
            row = [str(i)] + ["-" if one[k] is None else f"{one[k]:.4f}" for k in ("precision", "recall", "f1")]
            expect(row + [str(one["support"])] in [line.split() for line in result.out.splitlines()], f"{row}", result)
            expect([str(n) for n in [i] + matrix[i]] in [line.split() for line in result.out.splitlines()],
                   f"{matrix[i]}", result)


@case("a matrix that is too wide for a table is in --json alone")
def _(t):
    place = t.place()
    data = make_set(place / "d", classes=60)
    (place / "n.net").write_text("input 64\ndense 60\n")
    t.train("--steps", "2", "--save", place / "c", net=place / "n.net", data=data)
    result = t.run("eval", place / "c", data, "--device", "reference", "--metrics")
    expect("60 x 60: too wide" in result.out, "the matrix", result)
    o = one_object(t.run("eval", place / "c", data, "--device", "reference", "--metrics", "--json"))
    expect(len(o["metrics"]["confusion"]) == 60, f"{o}")


@case("loss bce with one output learns from labels 0 and 1")
def _(t):
    place = t.place()
    data = make_set(place / "d", classes=2)
    (place / "n.net").write_text("input 64 mean 0.5 std 0.5\ndense 1\nloss bce weights 1,2\n")
    result = t.train("--epochs", "30", "--lr", "0.1", net=place / "n.net", data=data)
    share = re.search(r"^metrics      accuracy (\S+)$", result.out, re.M)
    expect(share and float(share[1]) > 0.8, "nothing learned", result)


if __name__ == "__main__":
    sys.exit(main(__doc__))
