#!/usr/bin/env python3
"""tassello train --init, and layers that are frozen: fine-tuning from the command line; 'data' and 'normalize'."""
import sys

from common import case, expect, main, one_object

FIRST = "input 1x8x8\nconv2d 4 3 as c1\nbatch_norm as b1\nrelu\nmax_pool 2\ndense 4\n"
SECOND = ("input 1x8x8\nconv2d 4 3 as c1\nbatch_norm as b1\nrelu\nmax_pool 2\ndense 7 as new\nrelu\ndense 4\n"
          "freeze to b1\n")


@case("train --init: what was taken is listed on stderr and in JSON; a frozen part keeps its weights")
def _(t):
    place = t.place()
    (place / "a.net").write_text(FIRST)
    (place / "b.net").write_text(SECOND)
    first, second, third = (place / f"{n}.safetensors" for n in "abc")
    t.run("train", place / "a.net", t.data, "--device", "reference", "--epochs", "2", "--save", first)
    result = t.run("train", place / "b.net", t.data, "--device", "reference", "--init", first, "--save", second)
    result.says(f"weights from {first}", "6 taken: 1.conv2d.weight, 1.conv2d.bias, 2.batch_norm.weight, ",
                "2 not in the file, so as in a new network: 7.dense.weight, 7.dense.bias",
                "2 of another shape or type in the file, so as in a new network: 5.dense.weight (7 x 36) = "
                "5.dense.weight (4 x 36), 5.dense.bias (7) = 5.dense.bias (4)")
    expect("frozen" in result.out and "of them trained" in result.out, "not said to be frozen", result)
    o = one_object(t.run("train", place / "b.net", t.data, "--device", "reference", "--init", second, "--save", third,
                         "--json"))
    expect([len(o["init"][k]) for k in ("taken", "missing", "other_shape", "unused")] == [10, 0, 0, 0], f"{o['init']}")
    expect(o["init"]["taken"][0] == {"parameter": "1.conv2d.weight", "shape": [4, 1, 3, 3],
                                     "tensor": "1.conv2d.weight", "tensor_shape": [4, 1, 3, 3]}, f"{o['init']}")
    expect(o["parameters"] - o["trained_parameters"] == 48, f"{o}")


@case("train --init: files that cannot be used, and options that do not go with it")
def _(t):
    place = t.place()
    (place / "a.net").write_text(FIRST)
    t.fails(1, ("x.safetensors",), "train", place / "a.net", t.data, "--device", "reference", "--init", "x.safetensors")
    t.fails(1, ("expected a safetensors checkpoint", "a network's text"), "train", place / "a.net", t.data, "--device",
            "reference", "--init", place / "a.net")
    t.fails(2, ("--init", "--resume"), "train", t.net, t.data, "--resume", "x", "--init", "y")
    for option in ("--log", "--save-best"):
        t.fails(2, (f"{option} and --init: expected two different files",), "train", t.net, t.data, option, "x",
                "--init", "./x", "--validation", "10%")
    t.fails(2, ("--init", "--batch auto"), "train", place / "a.net", t.data, "--batch", "auto", "--init", "y")


@case("'data' and 'normalize': the data fill them in, also of a network from stdin; a checkpoint has the numbers")
def _(t):
    net = t.place() / "n"
    net.write_text("input data normalise\ndense 5\nrelu\ndense data\nloss data normalize\n")
    saved = t.place() / "s.safetensors"
    with open(net, "rb") as stdin:
        result = t.run("train", "-", t.data, "--device", "reference", "--save", saved, stdin=stdin)
    expect("loss softmax" in result.out and "1x8x8" in result.out, "not filled in", result)
    expect(t.run("eval", saved, t.data, "--device", "reference").out.splitlines()[-2:] == result.out.splitlines()[-2:],
           "another score", result)
    t.run("plan", "tabular", t.data, "--device", "reference")
    t.fails(1, ("tabular:4: 'data' stands for",), "inspect", "tabular")


if __name__ == "__main__":
    sys.exit(main(__doc__))
