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
        wanted = {"layer": kind, "name": None, "inputs": [i - 1] if i else [], "out": list(out),
                  "in": list(LENET_LAYERS[i - 1][1]) if i else None,
                  "parameters": parameters,
                  "parameter_bytes": 4 * parameters, "value_bytes": 4 * out[0] * out[1] * out[2],
                  "forward_flops": 2 * products, "train_flops": 2 * products * (2 if i == 1 else 3),
                  "frozen": False}
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


RESIDUAL = """input 3x9x8
conv2d 4 3 padding 1
relu as start
conv2d 6 3 stride 2 padding 1
relu
conv2d 6 3 padding 1 as body
from start
conv2d 6 1 stride 2
add body
relu as a_longer-name
concat body a_longer-name
dense 3
"""
RESIDUAL_INPUTS = [[], [0], [1], [2], [3], [4], [2], [6, 5], [7], [8, 5, 8], [9], [10]]


@case("inspect: names and inputs of a network with branches; a chain with a name is still a chain")
def _(t):
    net, chain = t.place() / "n", t.place() / "c"
    net.write_text(RESIDUAL)
    rows = one_object(t.run("inspect", net, "--json"))["layers"]
    expect([row["inputs"] for row in rows] == RESIDUAL_INPUTS, f"{rows}")
    names = {2: "start", 5: "body", 8: "a_longer-name"}
    expect([row["name"] for row in rows] == [names.get(i) for i in range(len(rows))], f"{rows}")
    expect(rows[7]["in"] == rows[7]["out"] == [6, 5, 4] and rows[9]["out"] == [18, 5, 4], f"{rows}")
    text = t.run("inspect", net)
    for line in (r"    layer            name +in +out .* training FLOPs  inputs\n",
                 r" 0  input +- +3x9x8 +0 +864 +0 +0\n",
                 r" 2  relu             start +4x9x8 +4x9x8 +0 +1152 +0 +0  1\n",
                 r" 6  conv2d +4x9x8 +6x5x4 .*  start\n",
                 r" 7  add +6x5x4 +6x5x4 +0 +480 +0 +0  6, body\n",
                 r" 9  concat +6x5x4 +18x5x4 +0 +1440 +0 +0  a_longer-name, body, a_longer-name\n"):
        expect(re.search(line, text.out), f"no {line}", text)
    chain.write_text("input 4\ndense 3 as here\nfrom here\nrelu\n")
    text = t.run("inspect", chain)
    expect("inputs" not in text.out and "here" not in text.out and "name" not in text.out, "shown as a graph", text)


# ID, quoted or not; then [label=...] or -> ID; the subset of https://graphviz.org/doc/info/lang.html that is printed.
DOT_QUOTED = r'"((?:[^"\\\n]|\\.)*)"'
DOT_LINES = [re.compile(line) for line in (
    r"    label=" + DOT_QUOTED + ";", r"    labelloc=t;", r"    node \[shape=box\];",
    r"    n(\d+) \[label=" + DOT_QUOTED + r"\];", r"    n(\d+) -> n(\d+);")]


def read_dot(text):
    """The title, labels of nodes, edges."""
    lines = text.split("\n")
    expect(lines[0] == "digraph network {" and lines[-2:] == ["}", ""], text)
    title, labels, edges = None, {}, []
    for line in lines[1:-2]:
        kind, found = next(((k, m) for k, m in enumerate(p.fullmatch(line) for p in DOT_LINES) if m), (None, None))
        expect(found, f"not in the language: {line}")
        if kind == 0:
            title = found[1]
        elif kind == 3:
            expect(int(found[1]) not in labels, f"a second node {line}")
            labels[int(found[1])] = found[2]
        elif kind == 4:
            edges.append((int(found[1]), int(found[2])))
    return title, labels, edges


@case("inspect --dot: a graph for Graphviz, one node per layer, its labels quoted")
def _(t):
    net = t.place() / 'a "net" \\ n'
    net.write_text(RESIDUAL)
    title, labels, edges = read_dot(t.run("inspect", net, "--dot").out)
    expect(title == str(net).replace("\\", "\\\\").replace('"', '\\"'), title)
    expect(edges == [(source, i) for i, inputs in enumerate(RESIDUAL_INPUTS) for source in inputs], f"{edges}")
    expect(sorted(labels) == list(range(len(RESIDUAL_INPUTS))), f"{labels}")
    expect(labels[1] == r"1 conv2d\n4x9x8\n112 parameters" and labels[8] == r"8 relu as a_longer-name\n6x5x4"
           and labels[0] == r"0 input\n3x9x8" and labels[11] == r"11 loss\n3", f"{labels}")
    title, labels, edges = read_dot(t.run("inspect", "lenet", "--dot").out)
    expect(title == "lenet" and edges == [(i, i + 1) for i in range(11)], f"{title} {edges}")
    t.fails(2, ("--dot and --json",), "inspect", "lenet", "--dot", "--json")


@case("inspect: a checkpoint is shown as its network; what is neither is an error")
def _(t):
    folder = t.place()
    saved, plain = t.checkpoint(folder / "c"), one_object(t.run("inspect", t.net, "--json"))
    shown = one_object(t.run("inspect", saved, "--json"))
    expect(shown.pop("data")["format"] == "idx", "no data")
    expect({**shown, "network": plain["network"]} == plain and plain["parameters"] == 556, f"{shown} {plain}")
    saved.write_bytes(saved.read_bytes()[:-1])
    t.fails(1, (str(saved), "truncated"), "inspect", saved)
    t.fails(1, ("'mpl'", "did you mean 'mlp'"), "inspect", "mpl")
    t.fails(1, (str(t.data), "folder"), "inspect", t.data)
    (folder / "n").write_text("input 64\nfoo\n")
    t.fails(1, (":2:", "unknown layer 'foo'"), "inspect", folder / "n")


if __name__ == "__main__":
    sys.exit(main(__doc__))
