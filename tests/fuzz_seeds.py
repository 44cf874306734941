#!/usr/bin/env python3
"""Writes what fuzzers begin with: FOLDER/NAME/* for tests/fuzz_NAME.c. Files as other programs write them, small, and
those that tassello writes: checkpoints with the state of a run, and the runs of a sweep.

    fuzz_seeds.py FOLDER TASSELLO
"""

import base64
import gzip
import io
import json
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path


def idx(code, dims, data):
    return bytes([0, 0, code, len(dims)]) + struct.pack(f">{len(dims)}I", *dims) + data


def npy(descr, shape, data, fortran=False, version=1):
    text = str({"descr": descr, "fortran_order": fortran, "shape": shape}).encode()
    prefix = 10 if version == 1 else 12
    text += b" " * (-(prefix + len(text) + 1) % 64) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text + data


def parts(choices, *files):
    """For fuzz_set.h: how it is read, then files with their lengths."""
    return bytes([choices]) + b"".join(struct.pack("<H", len(file)) + file for file in files)


def sets_of_arrays():
    """x, y, x, y: one set with a test split for each type and order."""
    numbers = list(range(24))
    for descr, code in (("|u1", "B"), ("|i1", "b"), ("|b1", "?"), ("<i4", "<i"), (">i2", ">h"), ("<i8", "<q"),
                        (">u4", ">I"), ("<f4", "<f"), (">f8", ">d"), ("<f2", "<e")):
        order = code[:-1] or "="
        data = struct.pack(f"{order}24{code[-1]}", *numbers)
        half = struct.pack(f"{order}12{code[-1]}", *numbers[:12])
        for shape in ((24,), (4, 6), (4, 3, 2), (2, 3, 2, 2), (2, 2, 2, 3)):
            labels = npy("|u1", (shape[0],), bytes(k % 3 for k in range(shape[0])))
            values = npy("<f4", (shape[0], 2), struct.pack(f"<{2 * shape[0]}f", *range(2 * shape[0])))
            hot = npy("<i8", (shape[0], 2), struct.pack(f"<{2 * shape[0]}q", *([1, 0, 0, 1] * shape[0])[:2 * shape[0]]))
            small = (shape[0] // 2, *shape[1:])
            for fortran in (False, True):
                yield npy(descr, shape, data, fortran), labels, npy(descr, small, half, not fortran), \
                    npy("<i4", (small[0],), struct.pack(f"<{small[0]}i", *(k % 2 for k in range(small[0]))))
            yield npy(descr, shape, data, version=2), values, b"", b""
            yield npy(descr, shape, data, version=3), hot, b"", b""


def archive(members, method):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, data in zip(("x_train.npy", "y_train.npy", "x_test.npy", "y_test.npy"), members):
            if data:
                file.writestr(name, data)
    return out.getvalue()


def cifar(labels, count):
    return b"".join(bytes([*labels, *(k * k % 256 for k in range(3072))]) for _ in range(count))


def png(depth, kind, interlaced=0, palette=False, transparent=False):
    """5 x 3 pixels of noise."""
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    sizes = [(5, 3)] if not interlaced else [(1, 1), (1, 1), (2, 0), (1, 1), (3, 1), (2, 2), (5, 1)]
    rows = b"".join(b"\0" + bytes(k * 77 % 256 for k in range((width * channels * depth + 7) // 8))
                    for width, height in sizes for _ in range(height))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 5, 3, depth, kind, 0, 0, interlaced))
    colors = chunk(b"PLTE", bytes(k * 31 % 256 for k in range(3 << depth))) if palette else b""
    clear = chunk(b"tRNS", bytes(2 * channels if kind < 3 else 2)) if transparent else b""
    return b"\x89PNG\r\n\x1a\n" + head + colors + clear + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


# Gray; RGB with less chroma and restarts; RGB, progressive.
JPEGS = [
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAGRFS1hLP2RYUVhxamR3lvqjloqKlv/b57X6//////////////////////////////////////////"
    "//////////wAALCAAFAAkBAREA/8QAFQABAQAAAAAAAAAAAAAAAAAAAgP/xAAdEAABAwUBAAAAAAAAAAAAAAABAAIRElJhcZGx/9oACAEBAAA/"
    "AJkAOyATOpjxGp17ur//2Q==",
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAGRFS1hLP2RYUVhxamR3lvqjloqKlv/b57X6//////////////////////////////////////////"
    "//////////2wBDAWpxcZaDlv+jo///////////////////////////////////////////////////////////////////////////wAARCAAJ"
    "ABEDASIAAhEBAxEB/8QAFwAAAwEAAAAAAAAAAAAAAAAAAAEDAv/EACIQAAIBAwIHAAAAAAAAAAAAAAABEQISITJhQVFxgpLB8P/EABUBAQEAAA"
    "AAAAAAAAAAAAAAAAAB/8QAGhEBAAEFAAAAAAAAAAAAAAAAACExUWGx0f/dAAQAAf/aAAwDAQACEQMRAD8AnLSTnOw7odud18jPCjr6Q6dXehQw"
    "/9CUvkvJATASs331/9k=",
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAGRFS1hLP2RYUVhxamR3lvqjloqKlv/b57X6//////////////////////////////////////////"
    "//////////2wBDAWpxcZaDlv+jo///////////////////////////////////////////////////////////////////////////wgARCAAR"
    "AAkDASEAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAAAQAC/8QAFQEBAQAAAAAAAAAAAAAAAAAAAAH/2gAMAwEAAhADEAAAAcqQBb//xAAWEA"
    "ADAAAAAAAAAAAAAAAAAAAAIEH/2gAIAQEAAQUCSH//xAAUEQEAAAAAAAAAAAAAAAAAAAAQ/9oACAEDAQE/AX//xAAWEQADAAAAAAAAAAAAAAAA"
    "AAAAARD/2gAIAQIBAT8BjP/EABQQAQAAAAAAAAAAAAAAAAAAACD/2gAIAQEABj8CX//EABkQAAIDAQAAAAAAAAAAAAAAAAEQABGR8P/aAAgBAQ"
    "ABPyGarPFv/9oADAMBAAIAAwAAABAlT//EABcRAQEBAQAAAAAAAAAAAAAAAAEAQfH/2gAIAQMBAT8QWRXtl//EABsRAAIBBQAAAAAAAAAAAAAA"
    "AAABETFxgdHw/9oACAECAQE/EJtlakb6Gyo//8QAIxAAAQMBCAMAAAAAAAAAAAAAAQARMSEQQVFhcYGh8MHR8f/aAAgBAQABPxAsJc137MJj9K"
    "gDOMY76WdwVzU+LP/Z",
]


def safetensors(**metadata):
    tensors = {"1.dense.weight": ([2, 3], range(6)), "1.dense.bias": ([2], range(2))}
    header, at = {"__metadata__": metadata}, 0
    for name, (shape, values) in tensors.items():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + 4 * len(values)]}
        at += 4 * len(values)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(struct.pack(f"<{len(v)}f", *v) for _, v in tensors.values())


def run_state(batches, orders, **settings):
    usual = {"batch": 8, "batch_most": 0, "drop_last": False, "shards": 1, "epochs": 0, "steps": 14,
             "optimizer": "adam", "lr": 0.5, "momentum": 0.5, "nesterov": False, "weight_decay": 0.0,
             "decay_on": "all", "beta1": 0.5, "beta2": 0.5, "epsilon": 0.5, "alpha": 0.5, "trust": 0.5, "clip": 0.0,
             "schedule": "constant", "warmup": 0, "decay_steps": 0, "decay": 0.5, "lr_end": 0.0, "power": 1.0,
             "rise": 0.5, "lr_scaling": "none", "base_batch": 64, "noise": True, "preconditioned_noise": False,
             "seed": 1}
    noise = [3, 0, 2, True, 6.5, 0.5, 5.5, 0.5, 2.5, 0.5, 0.5]
    return json.dumps({
        "contract": 4, "arithmetic": "exact", "step": 7, "steps": 14, "examples": 56, "seconds": 0.5, "last_loss": 2.5,
        "data_examples": 100, "data_sha256": "0123456789abcdef" * 4, "settings": {**usual, **settings},
        "batches": batches, "batches_changed": len(orders) > 1, "orders": orders, "noise": noise,
        "preconditioned_noise": noise, "more": "{}"})


TABLES = [
    (b"a,b,y\n1,2,no\n3,4.5,yes\n", b"b,y,a\n2,no,1\n", b"a,b\n1,2\n"),
    (b"5.1,3.5,1.4,0.2,0\n4.9,3.0,1.4,0.2,1\n", b"", b"5.1,3.5,1.4,0.2\n"),
    (b"150,4,setosa,versicolor,virginica\n5.1,3.5,1.4,0.2,0\n4.9,3.0,1.4,0.2,2\n", b"", b""),
    (b"c,n,y\nred,,no\nblue,3e1,yes\nNA,5,no\n", b"n,y,extra,c\n7,yes,x,red\n", b"n,c\n?,blue\n"),
    (b'a;b;y\r\n"x ""q""";;u\r\n"l\nm";3.5e-1;v\r\n', b'b;a;y\n2;"l\nm";u\n', b""),
    (b"\xef\xbb\xbfa\tb\ty1\ty2\n1\tred\t0.5\t2\n3\tblue\t1\t7\n", b"", b"1\tred\n"),
    (b"0,255,51,0,1\n0,0,0,102,0\n", b"1,2,3,4,1\n", b"1,2,3,4\n"),
    (b" a  b\ty \n1 2 7\n 3 4 9\n", b"", b"1 2\n"),
    (b"1,12\n2,1\n3,-5\n", b"4,12\n", b""),
]
SPARSE = [
    (b"+1 1:0.5 3:-2 # x\n-1 2:1e1\n", b"1 4:1\n"),
    (b"1 0:51 8:255\r\n0\n2 3:7\n", b""),
    (b"# by hand\n\n1.5 1:1 2:.5\n-2e-3 1:+3\n", b""),
]
SCHEMAS = [
    {"format": "csv", "input_type": "f32", "target_type": "label", "input_size": 4, "classes": 2, "file_columns": 5,
     "has_header": True, "class_names": ["no", "yes"], "target_places": [1], "target_names": ["answer"], "columns": [
         {"place": 0, "name": "age", "mean": 0.1}, {"place": 3, "name": "color", "categories": ["", "blue", "red"]}]},
    {"format": "images", "input_type": "u8", "target_type": "f32", "channels": 3, "height": 4, "width": 5,
     "input_size": 60, "target_size": 7, "resized": True},
    {"format": "libsvm", "input_type": "f32", "target_type": "label", "input_size": 9, "classes": 3,
     "sparse_from_zero": True},
]


def tables():
    """For fuzz_csv.c: each table as it is, and with some of the ways in which it may be read."""
    for k, files in enumerate(TABLES):
        for a, b in ((0, 0), (16, 128), (32, 1), (64, 16), (129, 4), (7 * k % 256, 29 * k % 128)):
            yield bytes([a]) + parts(b, *files)


def written_by(tassello):
    """Of a set of 900 examples, which fuzz_state.c has limits for."""
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        for name, count in (("train", 900), ("t10k", 40)):
            (place / f"{name}-images-idx3-ubyte").write_bytes(
                idx(8, (count, 4, 4), bytes((k % 16) * (k // 16 % 4) * 5 for k in range(16 * count))))
            (place / f"{name}-labels-idx1-ubyte").write_bytes(idx(8, (count,), bytes(k % 4 for k in range(count))))
        (place / "net").write_text("input 4x4\ndense 4\nrelu\ndense 4\n")

        def run(*words):
            done = subprocess.run([tassello, *words], cwd=place, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(f"fuzz_seeds.py: {' '.join(done.args)}: status {done.returncode}\n{done.stderr}")

        for more in ((), ("--optimizer", "adamw", "--schedule", "cosine", "--validation", "10%", "--noise")):
            run("train", "net", ".", "--device", "reference", "--steps", "20", "--batch", "8", "--save", "saved",
                "--save-every", "10", *more)
            for path in (place / "saved", place / "saved.previous"):
                data = path.read_bytes()
                yield "safetensors", data
                yield "checkpoint", data
                length = struct.unpack("<Q", data[:8])[0]
                for text in json.loads(data[8:8 + length])["__metadata__"].values():
                    if text.startswith("{"):
                        yield "checkpoint", text.encode()
                        yield "schema", text.encode()
        run("sweep", "net", ".", "--device", "reference", "--batches", "4,16,64", "--seeds", "2", "--momentum", "0",
            "--epochs", "3", "--target-loss", "0.5", "--state", "state")
        runs = [path.read_bytes() for path in sorted((place / "state").rglob("*")) if path.is_file()]
        for data in (*runs, b"\0".join(runs)):
            yield "state", data


NETWORKS = (
    "input data normalise as x\n\tdense data as data # data\nadd x\nbatch_norm group 3 as b.1\nfreeze data b.1\n"
    "dense data no bias\nloss huber delta 2 normalize\n",
    "\xef\xbb\xbfinput 4 mean 1,2,3,4 std 2\ndense 8 as a\ndropout 0.5 as d\ndense 2\nfreeze to d\r\n"
    "loss mae mean 1,2 std 3",
    "input 1x2x2 normalize\naugment flip\nconv2d 4 1 as c\nlayer_norm\ngroup_norm 2 as g\nconv_transpose2d 2 2\n"
    "freeze g c\ndense data\nloss bce\n",
)


def seeds(tassello):
    """(fuzzer, bytes)"""
    for code, letter in ((8, "B"), (9, "b"), (11, "h"), (12, "i"), (13, "f"), (14, "d")):
        for dims in ((12,), (4, 3), (3, 2, 2), (2, 1, 3, 2)):
            file = idx(code, dims, struct.pack(f">12{letter}", *range(12)))
            yield "idx", file
            yield "idx", gzip.compress(file)
    for k, members in enumerate(sets_of_arrays()):
        yield "npy", parts(k % 128, *members)
        yield "npz", parts(128 + k % 128, *members)
        if k % 5 == 0:
            yield "npz", bytes([k % 128]) + archive(members, zipfile.ZIP_DEFLATED if k % 2 else zipfile.ZIP_STORED)
    names = "".join(f"class {k}\n" for k in range(10)).encode()
    yield "cifar", parts(0, cifar([3], 2), cifar([9], 1), cifar([0], 1), names)
    yield "cifar", parts(3, cifar([3], 1), b"", b"", b"")
    yield "cifar", parts(128, cifar([3, 99], 2), b"".join(b"%d\n" % k for k in range(100)), cifar([0, 1], 1), b"")
    for interlaced in (0, 1):
        for depth in (1, 2, 4, 8, 16):
            yield "png", png(depth, 0, interlaced, transparent=depth == 4)
            if depth <= 8:
                yield "png", png(depth, 3, interlaced, palette=True, transparent=depth == 2)
            if depth >= 8:
                yield from (("png", png(depth, kind, interlaced)) for kind in (2, 4, 6))
    for text in JPEGS:
        yield "jpeg", base64.b64decode(text)
    for path in (Path(__file__).parent / "peer").glob("advise-*.csv"):
        yield "rows", path.read_bytes()[:4096] + b"\0"
    for state in (run_state([[0, 8]], [[0, 0, 1]]), run_state([[0, 8], [5, 24], [9, 12]], [[0, 0, 1], [0, 56, 9]]),
                  run_state([[0, 100]], [[0, 0, "18446744073709551615"]], seed="18446744073709551615", batch=100)):
        yield "checkpoint", state.encode()
        yield "checkpoint", safetensors(**{"tassello.network": "input 3\ndense 2\n", "tassello.state": state})
    yield from (("csv", table) for table in tables())
    for files in SPARSE:
        yield from (("libsvm", parts(choices, *files)) for choices in (0, 1, 5, 64))
    yield from (("schema", json.dumps(of, separators=(",", ":")).encode()) for of in SCHEMAS)
    for path in sorted(Path(__file__).parent.glob("peer/onnx/*.onnx")):
        yield "onnx", b"\0" + path.read_bytes()
    for path in sorted(Path(__file__).parent.glob("../tools/nets/*.net")):
        yield "network", path.read_bytes()
    yield from (("network", text.encode()) for text in NETWORKS)
    yield "safetensors", safetensors()
    yield "safetensors", safetensors(**{"tassello.network": "input 3\ndense 2\n"})
    yield from written_by(tassello)


def main(folder, tassello):
    for number, (name, data) in enumerate(seeds(str(Path(tassello).resolve()))):
        path = Path(folder) / name
        path.mkdir(parents=True, exist_ok=True)
        (path / f"{number:04}").write_bytes(data)


if __name__ == "__main__":
    main(*sys.argv[1:])
