#!/usr/bin/env python3
"""NET and DATA that are damaged, missing, or do not fit each other."""
import gzip
import json
import os
import shlex
import shutil
import struct
import subprocess
import sys
from pathlib import Path

from common import case, expect, LAST, LAST_MSE, main, make_set, NET, one_object, Result, Skip


def cut(name, size):
    return lambda f: (f / name).write_bytes((f / name).read_bytes()[:size])


def put(name, data):
    return lambda f: (f / name).write_bytes(data)


def zipped(damage):
    def apply(f):
        path = f / "train-images-idx3-ubyte"
        data = gzip.compress(path.read_bytes(), 6)
        path.unlink()
        path.with_name(path.name + ".gz").write_bytes(damage(data))
    return apply


def replace_by_folder(name):
    def apply(f):
        (f / name).unlink()
        (f / name).mkdir()
    return apply


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
HEAD = struct.pack(">IIII", 0x0803, 240, 8, 8)
DAMAGES = [
    ("lacks a file", lambda f: (f / "t10k-labels-idx1-ubyte").unlink(), ("t10k-labels-idx1-ubyte", ".gz is there")),
    ("is empty", lambda f: [p.unlink() for p in f.iterdir()], ("nothing in this folder", "the formats are: idx")),
    ("truncated images", cut(IMAGES, 5000), (IMAGES, "truncated", "5000 bytes, expected 15376")),
    ("truncated by one byte", cut(IMAGES, 15375), ("truncated", "15375")),
    ("cut within the header", cut(IMAGES, 9), (IMAGES, "ends within its header")),
    ("cut within the magic number", cut(IMAGES, 3), (IMAGES, "magic")),
    ("an empty file", cut(IMAGES, 0), (IMAGES, "magic")),
    ("wrong magic", put(IMAGES, b"\0\0\x0a\3" + HEAD[4:] + bytes(15360)),
     (IMAGES, "magic number 0x00000a03", "expected 0x000008")),
    ("floats announced", put(IMAGES, b"\0\0\x0d\3" + HEAD[4:] + bytes(15360)),
     (IMAGES, "truncated", "15376 bytes, expected 61456")),
    ("labels in place of images", lambda f: shutil.copy(f / LABELS, f / IMAGES),
     ("t10k-" + IMAGES[6:], "same shape", IMAGES)),
    ("label and image counts differ", put(LABELS, struct.pack(">II", 0x0801, 239) + bytes(239)),
     ("240 examples", "239 targets")),
    ("trailing garbage", lambda f: (f / IMAGES).open("ab").write(b"x"), (IMAGES, "trailing bytes", "15377")),
    ("a dimension of 0", put(IMAGES, struct.pack(">IIII", 0x0803, 240, 0, 8)), (IMAGES, "dimension 2 is 0")),
    ("no examples", put(IMAGES, struct.pack(">IIII", 0x0803, 0, 8, 8)), (IMAGES, "dimension 1 is 0")),
    ("a header that promises the world", put(IMAGES, struct.pack(">IIII", 0x0803, *[0xffffffff] * 3)),
     (IMAGES, "fit in memory")),
    ("a header that promises 4 GiB", put(IMAGES, struct.pack(">IIII", 0x0803, 1 << 16, 1 << 8, 1 << 8)),
     (IMAGES, "truncated")),
    ("gzip: a header that promises 1 TiB",
     lambda f: zipped(lambda d: gzip.compress(struct.pack(">IIII", 0x803, 1 << 20, 1 << 10, 1 << 10)))(f),
     ("truncated",)),
    ("gzip: damaged within", zipped(lambda d: d[:400] + bytes([d[400] ^ 255, d[401] ^ 255]) + d[402:]),
     (".gz", "damaged gzip data")),
    ("gzip: wrong checksum", zipped(lambda d: d[:-8] + bytes(4) + d[-4:]), (".gz", "damaged gzip data")),
    ("gzip: truncated", zipped(lambda d: d[:len(d) // 2]), (".gz", "damaged gzip data")),
    ("gzip: garbage behind", zipped(lambda d: gzip.compress(gzip.decompress(d) + b"x")), (".gz", "trailing bytes")),
    ("gzip: not gzip at all", zipped(lambda d: b"<html>404 Not Found</html>"), (".gz", "magic number 0x3c68746d")),
    ("a folder in place of a file", replace_by_folder(IMAGES), (IMAGES, "not a regular file")),
    ("a link to nowhere", lambda f: ((f / IMAGES).unlink(), (f / IMAGES).symlink_to("/nowhere")), (IMAGES,)),
    ("a named pipe in place of a file", lambda f: ((f / IMAGES).unlink(), os.mkfifo(f / IMAGES)),
     (IMAGES, "not a regular file")),
    ("a device in place of a file", lambda f: ((f / IMAGES).unlink(), (f / IMAGES).symlink_to("/dev/zero")),
     (IMAGES, "not a regular file")),
]
for _name, _damage, _texts in DAMAGES:
    def damaged(t, damage=_damage, texts=_texts):
        folder = t.place() / "d"
        shutil.copytree(t.data, folder)
        damage(folder)
        t.fails(1, (str(folder), *texts), "train", t.net, folder, "--device", "reference", timeout=20)
    case(f"data: {_name}: status 1, said with its path")(damaged)


@case("NET without the right to read it, DATA without the right to look into it: that is what is said")
def _(t):
    if os.geteuid() == 0:
        raise Skip("root has every right")
    folder = t.place()
    net, data = folder / "net", make_set(folder / "data")
    net.write_text(NET)
    net.chmod(0)
    data.chmod(0o600)
    result = t.fails(1, (str(net), "Permission denied"), "inspect", net)
    expect("seems to be" not in result.err, "a guess at what cannot be read", result)
    t.fails(1, (str(data), "Permission denied"), "train", t.net, data, "--device", "reference")
    data.chmod(0o700)


@case("data: not there, not a folder, a folder without rights")
def _(t):
    t.fails(1, ("/no/such place", "No such file"), "train", t.net, "/no/such place", "--device", "reference")
    t.fails(1, (str(t.net), "expected a data set", "a network's text"), "train", t.net, t.net, "--device",
            "reference")
    t.fails(1, ("No such file",), "train", t.net, "", "--device", "reference")
    t.fails(1, ("No such file", "ended"), "train", t.net, "x/" * 400 + "ended", "--device", "reference")
    t.fails(1, ("No such file",), "train", t.net, "x/" * 2040 + "ended", "--device", "reference")
    t.fails(1, (), "train", t.net, "x" * 100000, "--device", "reference")


@case("a batch larger than the data is found before the device is opened")
def _(t):
    t.fails(2, ("--batch 241", "240 examples"), "train", t.net, t.data, "--batch", "241", "--device", "none such")


@case("data: a test split that does not fit is found before training")
def _(t):
    for files in (make_set(t.place() / "d", size=9), make_set(t.place() / "d", classes=5)):
        data = t.place() / "d"
        shutil.copytree(t.data, data)
        for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
            shutil.copy(files / name, data / name)
        result = t.run("train", t.net, data, "--device", "reference", "--batch", "16", status=1)
        result.says("t10k-")
        expect("step " not in result.err, "it trained first", result)


@case("data: 1 example, 1 class, 1x1 images")
def _(t):
    folder = t.place()
    one = make_set(folder / "one", train=1, test=1, classes=1, size=1)
    net = folder / "n"
    net.write_text("input 1\ndense 1\n")
    result = t.run("train", net, one, "--device", "reference", "--batch", "1", "--steps", "3")
    expect(LAST.search(result.out)[1] == "1.0000" and LAST.search(result.out)[2] == "0.0000",
           "one class is always right", result)
    result = t.run("train", net, one, "--device", "reference")
    expect("batch 1 " in result.out and LAST.search(result.out)[1] == "1.0000", "not all of them", result)
    t.run("train", net, one, "--device", "reference", "--batch", "64", status=2).says("batch 64", "1 example ")
    net.write_text("input 1x1x1 mean 0.5 std 0.25\ndense 3\ntanh\ndense 2\nloss mse\n")
    expect(LAST_MSE.search(t.run("train", net, one, "--device", "reference", "--batch", "1").out), "no result")


@case("network and data: what fits but was probably not meant is noted, once")
def _(t):
    net = t.place() / "net"
    facts = ("6 outputs", "4 classes", "8 channels of 8 x 1", "'input 8x8'", "mean of 60")
    net.write_text("input 8x8x1 mean 60 std 20\ndense 6\n")
    for command in (("train", net, t.data, "--device", "reference", "--steps", "2"), ("plan", net, t.data)):
        result = t.run(*command).says(*facts)
        expect(result.err.count("6 outputs") == 1 and result.err.count("8 channels") == 1, "each once", result)
    net.write_text("input 2x4x8 mean 0.5,-3\ndense 4\n")
    t.run("train", net, t.data, "--device", "reference", "--steps", "2").says("mean of -3")
    for text in ("input 8x8\ndense 4\n", "input 64\ndense 4\n", "input 1x8x8 mean 0.3 std 0.2\ndense 4\n",
                 "input 2x4x8 mean 0,1\naugment flip\ndense 4\n"):
        net.write_text(text)
        result = t.run("train", net, t.data, "--device", "reference", "--steps", "2")
        expect("outputs" not in result.err and "channels" not in result.err and "mean" not in result.err, "a note",
               result)


NETWORKS = [
    ("an unknown layer", b"input 1x8x8\n# a comment\nconv 3\ndense 4\n", (":3:", "unknown layer 'conv'", "'conv2d'")),
    ("empty", b"", ("no layer", "input 1x28x28")),
    ("only comments", b"# nothing\n\n", ("no layer",)),
    ("no input first", b"dense 4\n", (":1:", "input")),
    ("two inputs", b"input 64\ninput 64\ndense 4\n", (":2:", "second input")),
    ("no parameters", b"input 64\nrelu\n", ("no layer has parameters",)),
    ("dense without a number", b"input 64\ndense\n", (":2:", "expected a number of outputs")),
    ("dense 0", b"input 64\ndense 0\n", (":2:", "'0'")),
    ("dense -3", b"input 64\ndense -3\n", (":2:", "'-3'")),
    ("dense 5x", b"input 64\ndense 5x\n", (":2:", "'5x'")),
    ("dense of too many", b"input 64\ndense 99999999999999999999\n", (":2:",)),
    ("more than 2^32 weights", b"input 64x64x64\ndense 16777216\n", (":2:", "more than 2^32")),
    ("a word too many", b"input 64\ndense 4 relu\n", (":2:", "'relu'", "a line of its own")),
    ("two sizes are height x width", b"input 8x8\nconv2d 2 3\nmax_pool 2x1\nconv2d 2 4x7\ndense 4\n",
     (":4:", "4x7", "3x6")),
    ("a window without planes", b"input 64\nconv2d 4 3 padding 1\ndense 4\n", (":2:", "needs planes")),
    ("a misspelt word", b"input 1x8x8\nconv2d 4 3 paddign 1\ndense 4\n", (":2:", "'padding'")),
    ("input of 4 sizes", b"input 1x2x3x4\ndense 4\n", (":1:", "1x2x3x4")),
    ("input of 0", b"input 1x0x8\ndense 4\n", (":1:",)),
    ("std 0", b"input 64 std 0\ndense 4\n", (":1:", "std")),
    ("mean of some channels", b"input 4x4x4 mean 1,2\ndense 4\n", (":1:", "2 numbers", "4 channels")),
    ("a shift out of the image", b"input 8x8\naugment shift 8\ndense 4\n", (":2:", "at most 7")),
    ("mean nan", b"input 64 mean nan\ndense 4\n", (":1:", "nan")),
    ("leaky steep", b"input 64\ndense 4\nleaky steep\n", (":3:", "steep")),
    ("loss before the end", b"input 64\nloss mse\ndense 4\n", ("must be the last",)),
    ("an unknown loss", b"input 64\ndense 4\nloss hinge\n", (":3:", "softmax|mse|bce|mae|huber")),
    ("an unknown init", b"input 64\ndense 4 init xavier\n", (":2:", "'he' or 'glorot'")),
    ("a zero byte", b"input 64\ndense 4\0\n", ("zero byte",)),
    ("a very long word", b"input 64\n" + b"x" * 100000 + b"\n", (":2:", "unknown layer")),
    ("a very long line of words", b"input 64\ndense 4 " + b"he " * 10000 + b"\n", (":2:",)),
    ("larger than a network can be", b"#" * (2 << 20), ("expected at most",)),
    ("5000 layers", b"input 64\n" + b"relu\n" * 5000 + b"dense 4\n", ("more than 4096 layers",)),
    ("a picture", bytes(range(1, 256)), (":1:", "seems to be")),
    ("does not fit the data: its input", b"input 1x28x28\ndense 4\n", ("takes 784 values", "has 64")),
    ("does not fit the data: too few outputs", b"input 64\ndense 3\n", ("has 3 outputs", "4 classes")),
    ("not UTF-8 (found before the work, as no checkpoint could hold it)", b"input 64 # gr\xfc\xdf\ndense 4\n",
     (":1:", "UTF-8")),
]
for _name, _text, _texts in NETWORKS:
    def bad_network(t, text=_text, texts=_texts):
        net = t.place() / "bad net"
        net.write_bytes(text)
        result = t.run("train", net, t.data, "--device", "reference", status=1).says(str(net), *texts)
        expect("test " not in result.out.replace("to test", ""), "a result", result)
        expect(len(result.err) < 2000 and result.err.count("\n") <= 2, "too many words", result)
    case(f"network: {_name}: status 1, said with file and line")(bad_network)


@case("network: not there, a folder, a device, a name that does not ship")
def _(t):
    t.fails(1, ("no net.txt", "No such file"), "train", "no net.txt", t.data)
    t.fails(1, ("'mpl'", "did you mean 'mlp'"), "train", "mpl", t.data)
    t.fails(1, (str(t.data), "folder", "order"), "train", t.data, t.net)
    t.fails(1, ("checkpoint", "tassello eval", "tassello inspect"), "train", t.checkpoint(t.place() / "c"), t.data)
    t.fails(1, ("/dev/zero", "not a regular file"), "train", "/dev/zero", t.data)
    t.fails(1, (), "train", "", t.data)


@case("network: Windows line ends, no newline at the end, tabs, comments, a byte order mark; /dev/stdin from a file")
def _(t):
    net = t.place() / "n"
    plain = t.train("--steps", "3").digest()
    for text in (NET.replace("\n", "\r\n"), NET.rstrip("\n"), NET.replace(" ", "\t  ") + "\n\n",
                 NET.replace("\n", " # x\n"), "# y\n" + NET,
                 "\ufeff" + NET.replace("\n", " # \u00fc \u20ac \U0001f9f5\n")):
        net.write_text(text, newline="", encoding="utf-8")
        expect(t.train("--steps", "3", net=net).digest() == plain, f"{text!r}")
    with net.open() as stream:
        expect(t.train("--steps", "3", net="/dev/stdin", stdin=stream).digest() == plain, "/dev/stdin")


@case("network: from stdin as -, from /dev/stdin, a named pipe, a process substitution; mistakes have its name")
def _(t):
    plain = t.train("--steps", "3").digest()
    rest = shlex.join(map(str, (t.data, "--device", "reference", "--batch", "16", "--lr", "0.05", "--steps", "3")))
    pipe = t.place() / "pipe.net"
    os.mkfifo(pipe)

    def shell(command):
        done = subprocess.run(["bash", "-c", command, "bash", t.program, str(t.net), str(pipe)], env=t.environment,
                              capture_output=True, check=False,
                              timeout=60)
        return Result((command,), done.returncode, done.stdout, done.stderr, 0)
    for command in (f'"$1" train - {rest} < "$2"', f'cat "$2" | "$1" train - {rest}',
                    f'cat "$2" | "$1" train /dev/stdin {rest}',
                    f'"$1" train <(cat "$2") {rest}', f'cat "$2" > "$3" & "$1" train "$3" {rest}'):
        expect(shell(command).digest() == plain, "another digest", shell(command))
    for net, name in (("-", "stdin"), ("/dev/stdin", "/dev/stdin")):
        for text, told in ((b"input 64\nfoo\n", (f"{name}:2:", "foo")), (b"input 64\ndense 4\0", (name, "zero byte")),
                           (b"", (name, "no layer")), (b"#" * (1 << 20) + b"#", (name, "1048576"))):
            file = t.place() / "text"
            file.write_bytes(text)
            result = shell(f'cat "{file}" | "$1" train {net} {rest}').says(*told)
            expect(result.status == 1 and result.out == "", "another end", result)
    for command in ("inspect - --json", f"plan - {shlex.quote(str(t.data))} --device reference --json"):
        expect(one_object(shell(f'cat "$2" | "$1" {command}'))["network"] == "-", f"{command}")


@case("network: 300 layers train, are saved and evaluated")
def _(t):
    folder = t.place()
    (folder / "deep").write_text("input 64\n" + "dense 8 init glorot\ntanh\n" * 150 + "dense 4\n")
    trained = t.train("--steps", "2", "--save", folder / "s", net=folder / "deep")
    expect(t.run("eval", folder / "s", t.data, "--device", "reference").digest() == trained.digest(), "another digest")


@case("network: a path that is not UTF-8 can be trained, logged and saved")
def _(t):
    folder = os.fsencode(t.place())
    shutil.copy(t.net, folder + b"/gr\xfc\xdf")
    child = subprocess.run([t.program, "train", folder + b"/gr\xfc\xdf", str(t.data), "--device", "reference",
                            "--steps", "2", "--json", "--save",
                            folder + b"/s\xfc", "--log", folder + b"/l\xfc"], env=t.environment, capture_output=True,
                            check=False)
    result = Result(("train",), child.returncode, child.stdout, child.stderr, 0)
    expect(child.returncode == 0 and os.path.exists(folder + b"/s\xfc"), "not saved", result)
    one_object(result)
    raw = Path(os.fsdecode(folder + b"/s\xfc")).read_bytes()
    header = json.loads(raw[8:8 + struct.unpack("<Q", raw[:8])[0]])
    expect(header["__metadata__"]["tassello.name"] == "gr??", f"{header['__metadata__']}")


if __name__ == "__main__":
    sys.exit(main(__doc__))
