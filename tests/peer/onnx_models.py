#!/usr/bin/env python3
"""ONNX against onnxruntime and PyTorch. Run with a Python that has torch, onnx, onnxscript and onnxruntime:

    python tests/peer/onnx_models.py TASSELLO            compares; exit status 0, or 1 if something differs
    python tests/peer/onnx_models.py TASSELLO --write    renews the fixtures of tests/test_onnx.c: onnx/NAME.onnx and
                                                         onnx/NAME.json beside this script

Out: a network of each kind of layer is trained for two steps (so that running statistics are not 0 and 1), exported,
and scored by onnxruntime; 'tassello import' must read the model back with the same weights, and 'tassello predict' (by
a small program, predict.c's stand-in: the reference through ctypes) gives the outputs to compare with.

In: PyTorch models are written by both exporters, imported, and their outputs compared with PyTorch's.

The distance is the largest difference of two outputs, divided by the largest output of PyTorch or onnxruntime.
"""
import argparse
import ctypes
import json
import logging
import pathlib
import subprocess
import sys
import tempfile
import textwrap
import warnings

import numpy
import onnx
import onnxruntime
import torch
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
MOST = 1e-5
EXAMPLES = 5

# ---- Tassello ------------------------------------------------------------------------------------------------------


class Library:
    """The library's calls that predict needs."""

    def __init__(self, path):
        self.c = ctypes.CDLL(str(path))
        self.c.tas_error.restype = ctypes.c_char_p
        self.c.tas_network_tensor.restype = ctypes.c_void_p
        for name in ("tas_network_inputs", "tas_network_outputs"):
            getattr(self.c, name).restype = ctypes.c_size_t
        self.c.tas_model_network.restype = ctypes.c_void_p
        self.context = ctypes.c_void_p()
        self.c.tas_context_open(ctypes.byref(self.context))
        self.device = ctypes.c_void_p()
        self.check(self.c.tas_device_open(self.context, b"reference", 0, ctypes.byref(self.device)))

    def check(self, status):
        if status:
            raise RuntimeError(self.c.tas_error(self.context).decode())

    def predict(self, checkpoint, inputs):
        model = ctypes.c_void_p()
        self.check(self.c.tas_model_load(self.device, str(checkpoint).encode(), ctypes.byref(model)))
        network = ctypes.c_void_p(self.c.tas_model_network(model))
        count = self.c.tas_network_outputs(network)
        rows = numpy.ascontiguousarray(inputs, dtype=numpy.float32)
        outputs = numpy.zeros((len(rows), count), dtype=numpy.float32)
        floats = ctypes.POINTER(ctypes.c_float)
        self.check(
            self.c.tas_predict(model, rows.ctypes.data_as(floats), ctypes.c_size_t(len(rows)),
                               outputs.ctypes.data_as(floats)))
        self.c.tas_model_close(ctypes.byref(model))
        return outputs


def run(tassello, *arguments):
    done = subprocess.run([str(tassello), *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"tassello {' '.join(map(str, arguments))}: {done.stderr}")
    return done.stdout


def distance(found, expected):
    largest = float(numpy.abs(expected).max()) or 1.0
    return float(numpy.abs(found - expected).max()) / largest


# ---- out -----------------------------------------------------------------------------------------------------------

PLANES = "input 1x8x8 mean 0.3 std 0.5\nconv2d 6 3 padding 1\n"
NETWORKS = {
    "dense": "input 1x8x8\ndense 7\nrelu\ndense 4\n",
    "dense no bias": "input 1x8x8 mean 0.4\ndense 7 no bias\ntanh\ndense 4\n",
    "std": "input 1x8x8 std 0.2\ndense 4\n",
    "conv2d": PLANES + "conv2d 8 3x2 stride 2x1 padding 1x0 dilation 1x2 groups 2\nflatten\ndense 4\n",
    "conv2d no bias": PLANES + "conv2d 6 3 groups 6 no bias\ndense 4\n",
    "conv_transpose2d": PLANES + "conv_transpose2d 4 3x2 stride 2 padding 1x0 output_padding 1x0 groups 2\ndense 4\n",
    "conv_transpose2d no bias": PLANES + "conv_transpose2d 4 2 no bias\ndense 4\n",
    "max_pool": PLANES + "max_pool 3x2 stride 2 padding 1\ndense 4\n",
    "avg_pool": PLANES + "avg_pool 3 stride 2x3 padding 1\ndense 4\n",
    "global_avg_pool": PLANES + "global_avg_pool\ndense 4\n",
    "upsample": PLANES + "upsample 2x3\ndense 4\n",
    "pad": PLANES + "pad 1x2 0x3\nconv2d 4 3\ndense 4\n",
    "pad of a pool": PLANES + "pad 1\nmax_pool 2\ndense 4\n",
    "flatten": PLANES + "flatten\nrelu\nlayer_norm\ndense 4\n",
    "dropout": PLANES + "dropout 0.3\ndense 8\ndropout 0.1\ndense 4\n",
    "batch_norm": PLANES + "batch_norm\nrelu\nbatch_norm momentum 0.3 epsilon 1e-3\ndense 8\nbatch_norm\ndense 4\n",
    "layer_norm": PLANES + "layer_norm epsilon 1e-3\ndense 8\nlayer_norm\ndense 4\n",
    "group_norm": PLANES + "group_norm 3\nrelu\ngroup_norm 6 epsilon 1e-4\ndense 8\ngroup_norm 2\ndense 4\n",
    "add": PLANES + "relu as a\nconv2d 6 1 as b\nfrom a\nconv2d 6 1\nadd a b a\ndense 4\n",
    "concat": PLANES + "as a\nconv2d 3 1 as b\nconv2d 2 1\nconcat a b\ndense 4\n".replace("as a\n", "", 1),
    "multiply": PLANES + "relu as a\nconv2d 6 1\nsigmoid\nmultiply a\ndense 4\n",
    "rows": "input 1x8x8\ndense 6 as a\nrelu as b\ndense 6\nadd a\nconcat b\nmultiply c\ndense 4\n".replace(
        "concat b\nmultiply c", "multiply b\nconcat b"),
    "planes of one value": PLANES + "global_avg_pool as p\ndense 6\nadd p\nconv2d 5 1\nconcat p\ndense 4\n",
    "end of planes": PLANES + "conv2d 4 8\n",
    "relu": PLANES + "relu\ndense 4\n",
    "leaky": PLANES + "leaky 0.2\nleaky\ndense 4\n",
    "tanh": PLANES + "tanh\ndense 4\n",
    "sigmoid": PLANES + "sigmoid\ndense 4\n",
    "gelu": PLANES + "gelu\ngelu\ndense 4\ngelu\n",
    "silu": PLANES + "silu\nsilu\ndense 4\nsilu\n",
    "hard_swish": PLANES + "hard_swish\ndense 4\nhard_swish\n",
    "softplus": PLANES + "softplus\ndense 4\nsoftplus\n",
    "augment": "input 1x8x8\naugment flip shift 1\nconv2d 4 3\nrelu\ndense 4\n",
    "mse": PLANES + "relu\ndense 4\nloss mse\n",
    "mse of scaled targets": PLANES + "relu\ndense 4\nloss mse mean 1,2,3,4 std 2,3,4,5\n",
    "mae of scaled targets": PLANES + "relu\ndense 4\nloss mae std 0.25\n",
    "bce": PLANES + "relu\ndense 4\nloss bce\n",
}
NETWORKS["concat"] = PLANES + "relu as a\nconv2d 3 1 as b\nconv2d 2 1\nconcat a b\ndense 4\n"


def write_idx(path, array):
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(head + array.astype(numpy.uint8).tobytes())


def make_data(folder):
    draw = numpy.random.default_rng(1)
    folder.mkdir()
    for name, count in (("train", 64), ("t10k", 16)):
        write_idx(folder / f"{name}-images-idx3-ubyte", draw.integers(0, 256, (count, 8, 8)))
        write_idx(folder / f"{name}-labels-idx1-ubyte", numpy.arange(count) % 4)
    splits = {"train": 64, "test": 16}
    arrays = {f"x_{k}": draw.integers(0, 256, (n, 1, 8, 8), numpy.uint8) for k, n in splits.items()}
    arrays.update({f"y_{k}": draw.random((n, 4), numpy.float32) for k, n in splits.items()})
    numpy.savez(folder / "values.npz", **arrays)
    return folder


def score(model, inputs):
    onnx.checker.check_model(onnx.load(model), full_check=True)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: inputs})[0]


def check_out(tassello, library, folder, name, text, data):
    net, checkpoint, model = (folder / f"n.{end}" for end in ("net", "safetensors", "onnx"))
    net.write_text(text)
    data = data / "values.npz" if "scaled targets" in name else data
    run(tassello, "train", net, data, "--steps", 2, "--batch", 16, "--lr", 0.05, "--device", "reference", "--save",
        checkpoint)
    exported = json.loads(run(tassello, "export", checkpoint, model, "--json"))
    loss = text.split()[text.split().index("loss") + 1] if "loss" in text else "softmax"
    imported = json.loads(run(tassello, "import", model, folder / "back", "--json", "--loss", loss))
    inputs = numpy.random.default_rng(2).random((EXAMPLES, 1, 8, 8), dtype=numpy.float32)
    found, expected = library.predict(checkpoint, inputs.reshape(EXAMPLES, -1)), score(model, inputs)
    again = library.predict(folder / "back.safetensors", inputs.reshape(EXAMPLES, -1))
    problems = []
    if exported["weights_sha256"] != imported["weights_sha256"]:
        problems.append("the weights differ after import")
    if not numpy.array_equal(found, again):
        problems.append("the outputs differ after import")
    return distance(found, expected), problems


# ---- in ------------------------------------------------------------------------------------------------------------


class Block(nn.Module):
    """The basic block of a ResNet."""

    def __init__(self, before, after, stride):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(),
                                  nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after))
        self.shortcut = nn.Identity() if stride == 1 and before == after else nn.Sequential(
            nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x):
        return torch.relu(self.body(x) + self.shortcut(x))


class View(nn.Module):

    def forward(self, x):
        return x.view(x.size(0), -1)


class Scale(nn.Module):

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.5, 0.6, 0.7]).view(1, 3, 1, 1))

    def forward(self, x):
        return (x - self.mean) / self.std


class Mean(nn.Module):

    def forward(self, x):
        return x.mean((2, 3))


class Dense(nn.Module):
    """A dense block, and a gate."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(7, 4, 3, padding=1), nn.Conv2d(11, 11, 1)
        self.end = nn.Linear(11, 10)

    def forward(self, x):
        x = torch.cat([x, torch.relu(self.a(x))], 1)
        x = torch.cat([x, torch.relu(self.b(x))], 1)
        return self.end((x * torch.sigmoid(self.c(x))).mean((2, 3)))


MODELS = {
    "mlp": lambda: (nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10)), (1, 8, 8)),
    "resnet": lambda: (nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), Block(4, 4, 1), Block(4, 8, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)), (3, 8, 8)),
    "activations": lambda: (nn.Sequential(
        Scale(), nn.Conv2d(3, 4, 3), nn.GELU(), nn.SiLU(), nn.Hardswish(), nn.Softplus(), nn.LeakyReLU(0.1), nn.Tanh(),
        nn.Sigmoid(), View(), nn.Linear(144, 10), nn.Softmax(1)), (3, 8, 8)),
    "norms": lambda: (nn.Sequential(
        nn.GroupNorm(2, 4), nn.Conv2d(4, 4, 3, padding="same"), nn.GroupNorm(1, 4), nn.InstanceNorm2d(4, affine=True),
        nn.ConvTranspose2d(4, 6, 3, 2, 1, 1), nn.Upsample(scale_factor=2), nn.ZeroPad2d((1, 2, 1, 0)),
        nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(2), Mean(), nn.LayerNorm(6), nn.Linear(6, 4, bias=False),
        nn.BatchNorm1d(4), nn.Dropout(0.3)), (4, 8, 8)),
    "dense": lambda: (Dense(), (3, 8, 8)),
}


def make_model(name):
    """With weights and running statistics that are not their first ones."""
    torch.manual_seed(1)
    model, shape = MODELS[name]()
    for parameter in model.parameters():
        if parameter.ndim == 1:
            parameter.data += 0.2 * torch.randn_like(parameter)
    model.train()
    model(torch.rand(16, *shape))
    return model.eval(), shape


def export(model, shape, path, dynamo, opset=None):
    example = torch.rand(2, *shape)
    more = {"opset_version": opset} if opset else {}
    if dynamo:
        torch.onnx.export(model, (example,), path, dynamo=True, dynamic_shapes=({0: torch.export.Dim("n")},),
                          external_data=False, optimize=False, verbose=False, **more)
    else:
        torch.onnx.export(model, (example,), path, dynamo=False, do_constant_folding=False,
                          training=torch.onnx.TrainingMode.PRESERVE, input_names=["input"], output_names=["output"],
                          dynamic_axes={"input": {0: "n"}, "output": {0: "n"}}, **more)


def logits(model, inputs):
    """What a softmax at the end reads: it is left out here."""
    if isinstance(model, nn.Sequential) and isinstance(model[-1], nn.Softmax):
        model = model[:-1]
    with torch.no_grad():
        return model(inputs).numpy()


def write_plain(path, to):
    """Without what exporters say of the Python code."""
    model = onnx.load(path)
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input,
                 *model.graph.output, *model.graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    model.graph.ClearField("value_info")
    model.ClearField("functions")
    onnx.save(model, to)


def check_in(tassello, library, folder, name, dynamo, opset, write):
    path = folder / "in.onnx"
    model, shape = make_model(name)
    export(model, shape, path, dynamo, opset)
    run(tassello, "import", path, folder / "in")
    inputs = torch.rand(EXAMPLES, *shape, generator=torch.Generator().manual_seed(3)).mul(1024).round() / 1024
    expected = logits(model, inputs)
    found = library.predict(folder / "in.safetensors", inputs.reshape(EXAMPLES, -1).numpy())
    if write:
        stem = f"onnx/{name}-{'new' if dynamo else 'old'}"
        write_plain(path, HERE / f"{stem}.onnx")
        text = [line for line in (folder / "in.net").read_text().splitlines() if not line.startswith("#")]
        rows = {"inputs": inputs.reshape(EXAMPLES, -1), "outputs": expected}
        members = [f'"network": {json.dumps(text, indent=1)}']
        members += [f'"{key}":\n' + textwrap.fill(json.dumps(value.tolist()), 116) for key, value in rows.items()]
        (HERE / f"{stem}.json").write_text("{" + ",\n".join(members) + "}\n")
    return distance(found, expected), []


# ---- all -----------------------------------------------------------------------------------------------------------


def attempt(name, check, *arguments):
    try:
        found, problems = check(*arguments)
    except Exception as error:  # whatever it is, the others go on
        found, problems = float("nan"), [str(error).strip().splitlines()[-1]]
    if not found <= MOST:
        problems.append(f"more than {MOST:g}")
    print(f"{'not ok' if problems else 'ok':6} {name:40} {found:.2g}  {'; '.join(problems)}", flush=True)
    return not problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tassello", type=pathlib.Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.ERROR)
    tassello = options.tassello.resolve()
    library = Library(tassello.parent.parent / "libtassello.so")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        data = make_data(folder / "data")
        good = [attempt(f"out: {name}", check_out, tassello, library, folder, name, text, data)
                for name, text in NETWORKS.items()]
        for name in MODELS:
            for dynamo, opset in ((False, None), (False, 17), (True, None), (True, 21)):
                title = f"in: {name}, {'dynamo' if dynamo else 'torchscript'}, opset {opset or 'default'}"
                good.append(attempt(title, check_in, tassello, library, folder, name, dynamo, opset,
                                    options.write and opset is None))
    print(f"{sum(good)} of {len(good)} agree within {MOST:g}")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
