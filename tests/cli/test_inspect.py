#!/usr/bin/env python3
"""tassello inspect."""
import re
import sys

from common import case, expect, main, one_object

LENET_LAYERS = [  # kind, output, parameters, products and convolutions forward (each fma once)
    ("input", (1, 28, 28), 0, 0), ("conv2d", (20, 24, 24), 20 * 25 + 20, 24 * 24 * 25 * 20),
    ("relu", (20, 24, 24), 0, 0), ("max_pool", (20, 12, 12), 0, 0),
    ("conv2d", (50, 8, 8), 50 * 20 * 25 + 50, 8 * 8 * 20 * 25 * 50), ("relu", (50, 8, 8), 0, 0),
    ("max_pool", (50, 4, 4), 0, 0), ("flatten", (800, 1, 1), 0, 0), ("dense", (500, 1, 1), 800 * 500 + 500, 800 * 500),
    ("relu", (500, 1, 1), 0, 0), ("dense", (10, 1, 1), 500 * 10 + 10, 500 * 10), ("loss", (10, 1, 1), 0, 0)]


@case("inspect lenet: shapes, parameters, bytes and FLOPs as reckoned by hand")
def _(t):
    o = one_object(t.run("inspect", "lenet", "--json"))
    expect(len(o["layers"]) == len(LENET_LAYERS), f"{o}")
    for i, (row, (kind, out, parameters, products)) in enumerate(zip(o["layers"], LENET_LAYERS)):
        # training adds the gradient of the weights and, but for the first layer with parameters, that of the inputs
        wanted = {"layer": kind, "out": list(out), "in": list(LENET_LAYERS[i - 1][1]) if i else None,
                  "parameters": parameters,
                  "parameter_bytes": 4 * parameters, "value_bytes": 4 * out[0] * out[1] * out[2],
                  "forward_flops": 2 * products, "train_flops": 2 * products * (2 if i == 1 else 3)}
        expect(row == wanted, f"layer {i}: {row}, expected {wanted}")
    expect(o["parameters"] == 431080
           and o["forward_flops"] == 2 * (576 * 25 * 20 + 64 * 500 * 50 + 800 * 500 + 500 * 10), f"{o}")
    text = t.run("inspect", "lenet")
    for line in (r" 1 +conv2d +1x28x28 +20x24x24 +520 +46080 +576000 +1152000\n", r"parameters   431080, 1\.6 MiB\n",
                 r"4\.586 MFLOPs forward, 13\.182 in training\n\Z"):
        expect(re.search(line, text.out), f"no {line}", text)


@case("inspect: taps in the padding, strides, dilation and groups are counted; pools and dropout are not")
def _(t):
    net = t.place() / "n"
    net.write_text("input 4x9x7\nconv2d 6 3x5 stride 2 padding 2 groups 2\navg_pool 2\ndropout 0.5\n"
                   "conv2d 4 3 dilation 2 padding 2\nglobal_avg_pool\ndense 3 init glorot\nloss mse\n")
    o = one_object(t.run("inspect", net, "--json"))
    rows = {row["layer"]: row for row in o["layers"]}
    first = o["layers"][1]
    expect(first["out"] == [6, 6, 4] and first["parameters"] == 6 * 2 * 15 + 6
           and first["forward_flops"] == 2 * 6 * 4 * 6 * 2 * 15, f"{first}")
    expect(o["layers"][4]["forward_flops"] == 2 * 3 * 2 * 4 * 6 * 9, f"{o['layers'][4]}")
    none = [rows["avg_pool"]["forward_flops"], rows["dropout"]["train_flops"], rows["global_avg_pool"]["forward_flops"]]
    expect(none == [0, 0, 0], f"{rows}")


@case("inspect: a checkpoint is shown as its network; what is neither is an error")
def _(t):
    folder = t.place()
    saved, plain = t.checkpoint(folder / "c"), one_object(t.run("inspect", t.net, "--json"))
    shown = one_object(t.run("inspect", saved, "--json"))
    expect({**shown, "network": plain["network"]} == plain and plain["parameters"] == 556, f"{shown} {plain}")
    saved.write_bytes(saved.read_bytes()[:-1])
    t.fails(1, (str(saved), "truncated"), "inspect", saved)
    t.fails(1, ("'mpl'", "did you mean 'mlp'"), "inspect", "mpl")
    t.fails(1, (str(t.data), "folder"), "inspect", t.data)
    (folder / "n").write_text("input 64\nfoo\n")
    t.fails(1, (":2:", "unknown layer 'foo'"), "inspect", folder / "n")


if __name__ == "__main__":
    sys.exit(main(__doc__))
