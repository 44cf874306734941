#!/usr/bin/env python3
"""The same set in every format that can hold it: the same digest of the weights."""
import gzip
import shutil
import struct
import sys
import zlib

from common import case, expect, main, npy, Skip, write_npz

NET = "input 1x8x8 mean 0.3 std 0.4\nconv2d 6 3 padding 1\nrelu\nmax_pool 2\nflatten\ndense 4\n"
RUN = ("--steps", "30", "--batch", "16", "--seed", "5")


def read_idx(folder, name):
    """Examples as (label, pixels), class after class, as a folder of pictures has them."""
    images = (folder / f"{name}-images-idx3-ubyte").read_bytes()
    labels = (folder / f"{name}-labels-idx1-ubyte").read_bytes()[8:]
    count, height, width = struct.unpack(">III", images[4:16])
    size = height * width
    examples = [(labels[i], images[16 + size * i:16 + size * (i + 1)]) for i in range(count)]
    return sorted(examples, key=lambda example: example[0])


def write_idx(folder, splits, packed=False):
    folder.mkdir()
    for name, examples in zip(("train", "t10k"), splits):
        head = struct.pack(">IIII", 0x0803, len(examples), 8, 8)
        files = {f"{name}-images-idx3-ubyte": head + b"".join(pixels for _, pixels in examples),
                 f"{name}-labels-idx1-ubyte": struct.pack(">II", 0x0801, len(examples)) +
                 bytes(label for label, _ in examples)}
        for file, data in files.items():
            (folder / (file + ".gz" * packed)).write_bytes(gzip.compress(data, 1) if packed else data)


def write_idx_as_found(folder, splits):
    """Names with a dot, and labels of 4 bytes."""
    write_idx(folder, splits)
    for name, examples in zip(("train", "t10k"), splits):
        (folder / f"{name}-images-idx3-ubyte").rename(folder / f"{name}-images.idx3-ubyte")
        (folder / f"{name}-labels-idx1-ubyte").unlink()
        (folder / f"{name}-labels.idx1-ubyte").write_bytes(
            struct.pack(">II", 0x0C01, len(examples)) + b"".join(struct.pack(">i", label) for label, _ in examples))


def write_table(folder, splits, separator=",", ending="csv", header=True, packed=False):
    folder.mkdir()
    for name, examples in zip(("train", "test"), splits):
        lines = [separator.join([*(f"p{i}" for i in range(64)), "class"])] if header else []
        lines += [separator.join(map(str, [*pixels, label])) for label, pixels in examples]
        text = ("\n".join(lines) + "\n").encode()
        (folder / f"{name}.{ending}{'.gz' * packed}").write_bytes(gzip.compress(text, 1) if packed else text)


def write_libsvm(folder, splits):
    folder.mkdir()
    for name, examples in zip(("set.libsvm", "set.libsvm.t"), splits):
        lines = [" ".join([str(label), *(f"{i + 1}:{p}" for i, p in enumerate(pixels) if p or i == 63)])
                 for label, pixels in examples]
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder / "set.libsvm"


def arrays_of(splits, kind):
    """x_train and so on, as (kind, shape, values)."""
    for name, examples in zip(("train", "test"), splits):
        yield f"x_{name}", (kind, (len(examples), 8, 8), [p for _, pixels in examples for p in pixels])
        yield f"y_{name}", ("q", (len(examples),), [label for label, _ in examples])


def write_npy(folder, splits):
    folder.mkdir()
    for name, array in arrays_of(splits, "B"):
        (folder / f"{name}.npy").write_bytes(npy(*array))


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(pixels, kind):
    """8 x 8 pixels of gray, as gray, RGB or a palette."""
    values = {"gray": lambda p: bytes([p]), "rgb": lambda p: bytes([p] * 3), "palette": lambda p: bytes([p])}[kind]
    rows = b"".join(b"\0" + b"".join(values(p) for p in pixels[8 * y:8 * y + 8]) for y in range(8))
    head = struct.pack(">IIBBBBB", 8, 8, 8, {"gray": 0, "rgb": 2, "palette": 3}[kind], 0, 0, 0)
    palette = chunk(b"PLTE", bytes(v for i in range(256) for v in (i, i, i))) if kind == "palette" else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + palette + chunk(b"IDAT", zlib.compress(rows)) + \
        chunk(b"IEND", b"")


def write_png(folder, splits, kind):
    for split, examples in zip(("train", "test"), splits):
        for number, (label, pixels) in enumerate(examples):
            place = folder / split / str(label)
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{number:05}.png").write_bytes(png(pixels, kind))


FORMATS = {
    "idx, gzip": lambda f, s: write_idx(f, s, packed=True),
    "idx, as it is found": write_idx_as_found,
    "csv": write_table,
    "csv, gzip, without names": lambda f, s: write_table(f, s, header=False, packed=True),
    "csv with semicolons": lambda f, s: write_table(f, s, separator=";"),
    "tsv": lambda f, s: write_table(f, s, separator="\t", ending="tsv"),
    "libsvm": write_libsvm,
    "npy": write_npy,
    "npz": lambda f, s: write_npz(f.with_suffix(".npz"), **dict(arrays_of(s, "B"))),
    "png": lambda f, s: write_png(f, s, "gray"),
    "png, rgb": lambda f, s: write_png(f, s, "rgb"),
    "png, palette": lambda f, s: write_png(f, s, "palette"),
}


def splits_of(t):
    return [read_idx(t.data, name) for name in ("train", "t10k")]


def digest_of(t, place, net):
    """Of the same set as IDX, in the order of its classes."""
    write_idx(place / "idx", splits_of(t))
    return t.run("train", net, place / "idx", "--device", "reference", *RUN).digest()


for _name, _write in FORMATS.items():
    def same(t, name=_name, write=_write):
        place = t.place()
        net = place / "net.txt"
        net.write_text(NET)
        data = write(place / "set", splits_of(t)) or place / "set"
        result = t.run("train", net, data, "--device", "reference", *RUN, status=None)
        if "this build cannot read" in result.err or "was made without" in result.err:
            raise Skip(result.err.strip())
        expect(result.status == 0, "it fails", result)
        expect(result.digest() == digest_of(t, place, net), "another digest than that of IDX", result)
    case(f"the same digest from {_name}")(same)


@case("the same digest from pictures that were decoded before")
def decoded_before(t):
    place = t.place()
    net = place / "net.txt"
    net.write_text(NET)
    write_png(place / "set", splits_of(t), "gray")
    run = ("train", net, place / "set", "--device", "reference", *RUN)
    env = {"XDG_CACHE_HOME": str(place / "cache")}
    first = t.run(*run, env=env, status=None)
    if "was made without" in first.err:
        raise Skip(first.err.strip())
    first.says("240 decoded pictures are kept in")
    second = t.run(*run, env=env)
    expect("decoded pictures" not in second.err, "they were decoded again", second)
    expect(first.digest() == second.digest() == digest_of(t, place, net), "another digest", second)
    kept = list((place / "cache/tassello").glob("pictures-*"))
    expect(len(kept) == 2, f"in the cache: {kept}")
    shutil.rmtree(place / "cache")


@case("floats of 0 to 255 are not pixels")
def floats(t):
    place = t.place()
    net = place / "net.txt"
    net.write_text(NET)
    data = write_npz(place / "set.npz", **dict(arrays_of(splits_of(t), "f")))
    result = t.run("train", net, data, "--device", "reference", *RUN)
    expect(result.digest() != digest_of(t, place, net), "the same digest", result)


if __name__ == "__main__":
    sys.exit(main(__doc__))
