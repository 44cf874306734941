#!/usr/bin/env python3
"""A small ResNet-18 of PyTorch through ONNX: there, trained by Tassello, and back to onnxruntime.

    python tests/peer/resnet18.py make FOLDER [--channels 8]     FOLDER/resnet18.onnx and FOLDER/data.npz
    python tests/peer/resnet18.py score FOLDER MODEL.onnx        onnxruntime's accuracy and loss on the test split

Run with a Python that has torch, onnx, onnxscript and onnxruntime. The network is that of He et al. 2016 with four
stages of two basic blocks, shortcuts of 1x1 convolutions, batch normalization and global average pooling; its first
convolution is 3x3 without a pool behind it, as usual for small images, and its stages have 1, 2, 4 and 8 times
`--channels` channels. The data are Fashion-MNIST of Debian's package, 28x28 pixels. In between:

    tassello sweep FOLDER/resnet18.onnx FOLDER/data.npz
    tassello import FOLDER/resnet18.onnx FOLDER/resnet18
    tassello train FOLDER/resnet18.net FOLDER/data.npz --save FOLDER/trained.safetensors
    tassello eval FOLDER/trained.safetensors FOLDER/data.npz
    tassello export FOLDER/trained.safetensors FOLDER/trained.onnx
"""
import argparse
import gzip
import pathlib
import sys

import numpy
import torch
from torch import nn

SOURCE = pathlib.Path("/usr/share/datasets/fashion-mnist")


class Block(nn.Module):

    def __init__(self, before, after, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.shortcut = nn.Identity()
        if stride > 1 or before != after:
            self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x):
        body = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(body + self.shortcut(x))


def make_model(channels):
    layers = [nn.Conv2d(1, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
    before = channels
    for stage in range(4):
        after = channels << stage
        layers += [Block(before, after, 2 if stage else 1), Block(after, after, 1)]
        before = after
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10))


def read_idx(name, head):
    return numpy.frombuffer(gzip.decompress((SOURCE / name).read_bytes()), numpy.uint8, offset=head)


def make(folder, channels):
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for split, stem in (("train", "train"), ("test", "t10k")):
        arrays[f"x_{split}"] = read_idx(f"{stem}-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
        arrays[f"y_{split}"] = read_idx(f"{stem}-labels-idx1-ubyte.gz", 8)
    numpy.savez(folder / "data.npz", **arrays)
    torch.manual_seed(1)
    model = make_model(channels)
    print(f"{sum(parameter.numel() for parameter in model.parameters())} parameters")
    torch.onnx.export(model.eval(), (torch.zeros(2, 1, 28, 28),), folder / "resnet18.onnx", dynamo=True, optimize=False,
                      external_data=False, verbose=False, dynamic_shapes=({0: torch.export.Dim("n")},))


def score(folder, path):
    import onnxruntime
    data = numpy.load(folder / "data.npz")
    labels = data["y_test"].astype(numpy.int64)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    pixels = (data["x_test"] / 255).astype(numpy.float32)
    name = session.get_inputs()[0].name
    outputs = numpy.concatenate([session.run(None, {name: pixels[i:i + 500]})[0] for i in range(0, len(pixels), 500)])
    outputs = outputs.astype(numpy.float64)
    largest = outputs.max(1, keepdims=True)
    logs = outputs - largest - numpy.log(numpy.exp(outputs - largest).sum(1, keepdims=True))
    correct = int((outputs.argmax(1) == labels).sum())
    print(f"onnxruntime: test accuracy {correct / len(labels):.4f} loss {-logs[range(len(labels)), labels].mean():.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["make", "score"])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("model", nargs="?", type=pathlib.Path)
    parser.add_argument("--channels", type=int, default=8)
    options = parser.parse_args()
    if options.what == "make":
        make(options.folder, options.channels)
    else:
        score(options.folder, options.model)
    return 0


if __name__ == "__main__":
    sys.exit(main())
