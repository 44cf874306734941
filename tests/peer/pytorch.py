#!/usr/bin/env python3
"""Runs the code of doc/pytorch.md, with a small model on data of its own, and compares what comes back.

    python tests/peer/pytorch.py TASSELLO [--time 40s]

Run with a Python that has torch, onnx, onnxscript, onnxruntime and safetensors. The blocks of the page run one after
the other in a temporary folder: those of Python in one process, those of the shell with TASSELLO in front of the path.
--time replaces the time of the sweep. At the end PyTorch, with the weights that came back, onnxruntime and `tassello
eval` must agree.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy
import torch
from torch import nn

PAGE = pathlib.Path(__file__).resolve().parents[2] / "doc" / "pytorch.md"
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$", re.M | re.S)


def make_arrays():
    """Pixels around one pattern per class."""
    draw = numpy.random.default_rng(1)
    patterns = draw.integers(0, 256, (10, 1, 12, 12))
    arrays = {}
    for split, count in (("train", 1000), ("test", 200)):
        labels = numpy.arange(count) % 10
        noise = draw.integers(0, 256, (count, 1, 12, 12))
        arrays[f"x_{split}"] = ((patterns[labels] + 3 * noise) // 4).astype(numpy.uint8)
        arrays[f"y_{split}"] = labels
    return arrays


class Model(nn.Module):
    """With batch normalization and a residual connection."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
                                  nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))
        self.end = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 10))

    def forward(self, x):
        x = self.first(x)
        return self.end(torch.relu(x + self.body(x)))


def run_blocks(text, names, environment, time):
    for language, code in BLOCK.findall(text):
        if language == "python":
            exec(compile(code, "doc/pytorch.md", "exec"), names)  # the page's own code
            continue
        code = re.sub(r"--time \w+", f"--time {time}", code)
        print(code, end="", flush=True)
        subprocess.run(["bash", "-euc", code], check=True, env=environment, stdout=subprocess.DEVNULL)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tassello", type=pathlib.Path)
    parser.add_argument("--time", default="40s")
    options = parser.parse_args()
    tassello = options.tassello.resolve()
    torch.manual_seed(1)
    names = {"model": Model(), **make_arrays()}
    path = f"{tassello.parent}:{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        run_blocks(PAGE.read_text(), names, {**os.environ, "PATH": path}, options.time)
        score = json.loads(
            subprocess.run([tassello, "eval", "trained.safetensors", "data.npz", "--json"], check=True,
                           capture_output=True, text=True).stdout)
        os.chdir("/")
    with torch.no_grad():
        found = names["model"].eval()(torch.tensor(names["x_test"] / 255, dtype=torch.float32)).numpy()
    distance = float(numpy.abs(found - names["outputs"]).max() / numpy.abs(found).max())
    shares = {"tassello": score["accuracy"]}
    for name, outputs in (("PyTorch", found), ("onnxruntime", names["outputs"])):
        shares[name] = float((outputs.argmax(1) == names["y_test"]).mean())
    print("accuracy:", ", ".join(f"{name} {share:.4f}" for name, share in shares.items()))
    print(f"outputs of PyTorch and onnxruntime: {distance:.2g} apart, relative to the largest")
    good = distance <= 1e-5 and len({round(share, 6) for share in shares.values()}) == 1
    print("the same" if good else "they differ")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
