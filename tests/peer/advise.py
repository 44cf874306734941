#!/usr/bin/env python3
"""Runs the recipes of doc/advise.md, as they stand there, with PyTorch, and writes the files that test_advise.c reads:
advise-runs.csv and advise-norms.csv.

    advise.py FOLDER     with the IDX files of Fashion-MNIST, plain or .gz

Run by hand, as PyTorch is not among what the tests need. Times are those of the machine; everything else follows from
the seeds and PyTorch's version.
"""

import csv
import gzip
import itertools
import os
import pathlib
import re
import sys
import time

import torch

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES, HELD = 6000, 2000
MOST = 5 * EXAMPLES


def read_idx(folder, name):
    path = next(p for p in (folder / name, folder / (name + ".gz")) if p.exists())
    data = (gzip.open if path.suffix == ".gz" else open)(path, "rb").read()
    rank = data[3]
    shape = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(rank)]
    return torch.frombuffer(bytearray(data[4 + 4 * rank :]), dtype=torch.uint8).reshape(shape)


def main():
    folder = pathlib.Path(sys.argv[1]).resolve()
    inputs = read_idx(folder, "train-images-idx3-ubyte")[: EXAMPLES + HELD].flatten(1).float() / 255
    labels = read_idx(folder, "train-labels-idx1-ubyte")[: EXAMPLES + HELD].long()
    recipes = re.findall(r"```python\n(.*?)```", (HERE.parent.parent / "doc" / "advise.md").read_text(), re.S)
    torch.set_num_threads(1)

    def model_of():
        return torch.nn.Sequential(torch.nn.Linear(784, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))

    def batches(size, seed):
        order = torch.Generator().manual_seed(seed)
        while True:
            for part in torch.randperm(EXAMPLES, generator=order).split(size):
                if len(part) == size:
                    yield inputs[part], labels[part]

    @torch.no_grad()
    def validate(model):
        return torch.nn.functional.cross_entropy(model(inputs[EXAMPLES:]), labels[EXAMPLES:]).item()

    torch.manual_seed(1)
    names = dict(csv=csv, itertools=itertools, time=time, torch=torch, model_of=model_of, batches=batches,
                 validate=validate, MOST=MOST, SMALL=16, PARTS=8, STEPS=400, LR=0.1, model=model_of())
    os.chdir(HERE)
    for recipe in recipes:
        exec(compile(recipe, "doc/advise.md", "exec"), dict(names))
    for made, kept in (("runs.csv", "advise-runs.csv"), ("norms.csv", "advise-norms.csv")):
        os.replace(made, kept)
        print(kept, os.path.getsize(kept), "bytes")


if __name__ == "__main__":
    main()
