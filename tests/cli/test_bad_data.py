#!/usr/bin/env python3
"""Data that are wrong, and options that do not go with them: each command says what, where, and what was expected."""
import gzip
import struct
import sys
import zipfile

from common import case, expect, main, npy, write_idx, write_npz

TABLE = "a,b,c,d,e,kind\n" + "".join(f"{k},{k % 7},{k % 3}.5,-{k},1e{k % 4},{'red' if k % 2 else 'blue'}\n"
                                      for k in range(40))


def text(name, content):
    return lambda f: put(f / name, content.encode())


def put(path, data):
    path.write_bytes(data)
    return path


def table(change):
    """The table with the lines changed."""
    def make(f):
        lines = TABLE.splitlines()
        change(lines)
        return put(f / "t.csv", ("\n".join(lines) + "\n").encode())
    return make


def line(number, content):
    return table(lambda lines: lines.__setitem__(number - 1, content))


def array(name, *of):
    return lambda f: put(f / name, npy(*of))


def archive(**arrays):
    return lambda f: write_npz(f / "a.npz", **arrays)


def members(*names_and_data):
    def make(f):
        with zipfile.ZipFile(f / "a.npz", "w") as out:
            for name, data in zip(names_and_data[::2], names_and_data[1::2]):
                out.writestr(name, data)
        return f / "a.npz"
    return make


X, Y = ("f", (4, 5), [k / 3 for k in range(20)]), ("i", (4,), [0, 1, 2, 0])


def idx(images, labels, dims=(6, 2, 2)):
    def make(f):
        write_idx(f / "train-images-idx3-ubyte", dims, images)
        write_idx(f / "train-labels-idx1-ubyte", (len(labels),), labels)
        return f
    return make


# What, the command, its options, how DATA is made, the exit status, what the message has.
BAD = [
    ("a row with too few fields", "train", (), line(7, "1,2,3"), 1, ("t.csv:7", "3 fields", "6")),
    ("a row with too many fields", "data", (), line(9, "1,2,3,4,5,red,7"), 1, ("t.csv:9", "7 fields", "6")),
    ("a quote that does not end", "data", (), line(41, '1,2,3,4,5,"red'), 1, ("t.csv:41", "quote")),
    ("a missing field", "train", (), line(5, "1,,3,4,5,red"), 1,
     ("t.csv: 1 missing", "column 'b' (the first in line 5)", "try --missing mean, or --missing drop")),
    ("a missing field, in a sweep", "sweep", (), line(5, "1,NA,3,4,5,red"), 1,
     ("t.csv: 1 missing", "column 'b' (the first in line 5)")),
    ("a missing field, in a plan", "plan", (), line(5, "1,?,3,4,5,red"), 1,
     ("t.csv: 1 missing", "column 'b' (the first in line 5)")),
    ("a missing target", "train", ("--missing", "mean"), line(5, "1,2,3,4,5,"), 1,
     ("t.csv: 1 missing", "column 'kind' (the first in line 5)")),
    ("a number too large", "data", (), line(5, "1,1e60,3,4,5,red"), 1, ("t.csv:5", "column 'b'", "1e60")),
    ("no column of that name", "train", ("--target", "kin"), table(lambda _: None), 2,
     ("t.csv", "'kin'", "did you mean 'kind'?")),
    ("no column of that number", "data", ("--target", "9"), table(lambda _: None), 2,
     ("no column '9'", "a, b, c, d, e, kind")),
    ("a target that is ignored", "data", ("--target", "a", "--ignore", "a"), table(lambda _: None), 2, ("'a'",)),
    ("all columns ignored", "data", ("--ignore", "a,b,c,d,e"), table(lambda _: None), 2,
     ("t.csv", "no column is left")),
    ("two columns of one name", "data", (), line(1, "a,b,c,d,a,kind"), 1, ("t.csv:1", "'a'")),
    ("a table with a head alone", "train", (), table(lambda lines: lines.__delitem__(slice(1, None))), 1, ("t.csv",)),
    ("an empty table", "data", (), text("t.csv", ""), 1, ("t.csv", "empty")),
    ("a table in UTF-16", "data", (), lambda f: put(f / "t.csv", TABLE.encode("utf-16")), 1, ("t.csv",)),
    ("a table with a zero byte", "data", (), line(4, "1,2,\0,4,5,red"), 1, ("t.csv", "4")),
    ("a gzip table that is cut off", "data", (), lambda f: put(f / "t.csv.gz", gzip.compress(TABLE.encode())[:-20]), 1,
     ("t.csv.gz", "gzip")),
    ("words as values", "train-values", (), table(lambda _: None), 1, ("t.csv", "column 'kind'")),
    ("an array that is cut off", "data", (), lambda f: put(f / "x.npy", npy(*X)[:-3]), 1, ("x.npy",)),
    ("an array of words", "data", (), members("x.npy", npy(*X).replace(b"'<f4'", b"'<U4'"), "y.npy", npy(*Y)), 1,
     ("a.npz", "x", "<U4")),
    ("a header that promises the world", "data", (),
     members("x.npy", npy(*X).replace(b"(4, 5)", b"(4, 9" + b"9" * 9 + b")"), "y.npy", npy(*Y)), 1, ("a.npz", "x")),
    ("an archive without targets", "train", (), archive(x=X), 1, ("a.npz", "y")),
    ("an archive without inputs", "data", (), archive(y=Y), 1, ("a.npz", "x")),
    ("other counts of inputs and targets", "data", (), archive(x=X, y=("i", (3,), [0, 1, 2])), 1, ("a.npz", "4", "3")),
    ("targets of two dimensions and classes", "train", (), archive(x=X, y=("i", (4, 2), [0] * 8)), 1, ("a.npz", "y")),
    ("a value that is not finite", "data", (), archive(x=("f", (4, 5), [0.0] * 19 + [float("nan")]), y=Y), 1,
     ("a.npz", "x", "finite")),
    ("an archive that is cut off", "data", (), lambda f: put(f / "b.npz", archive(x=X, y=Y)(f).read_bytes()[:-30]), 1,
     ("b.npz",)),
    ("an archive that is none", "data", (), text("a.npz", "PK\x03\x04 and nothing else"), 1, ("a.npz",)),
    ("IDX: fewer labels than images", "data", (), idx(bytes(24), bytes(5)), 1, ("6", "5")),
    ("IDX: truncated", "train", (), idx(bytes(20), bytes(6)), 1, ("train-images-idx3-ubyte", "truncated")),
    ("another format than the file's", "data", ("--format", "npz"), table(lambda _: None), 1, ("t.csv",)),
    ("no such format", "data", ("--format", "xlsx"), table(lambda _: None), 2, ("--format xlsx", "csv")),
    ("a network's text", "data", (), text("n.net", "input 5\ndense 3\n"), 1, ("n.net", "a network's text")),
    ("an empty folder", "data", (), lambda f: f, 1, ("nothing in this folder",)),
    ("more inputs than the network has", "train", (), archive(x=("f", (4, 6), [0.0] * 24), y=Y), 1, ("6", "5")),
    ("more classes than the network has", "train", (), archive(x=X, y=("i", (4,), [0, 1, 2, 3])), 1,
     ("has 3 outputs", "4 classes")),
    ("a column for an array", "data", ("--target", "a"), archive(x=X, y=Y), 2, ("target",)),
    ("missing values for an array", "data", ("--missing", "drop"), archive(x=X, y=Y), 2, ("missing",)),
    ("files of IDX for a table", "data", ("--format", "csv", "--train-images", "a", "--train-labels", "b"),
     table(lambda _: None), 2,
     ("files",)),
    ("images without labels", "data", ("--train-images", "a"), table(lambda _: None), 2,
     ("train_images without train_labels",)),
    ("as many for the test as there are", "train", ("--test", "40"), table(lambda _: None), 2, ("40",)),
    ("a share of none", "plan", ("--test", "0%"), table(lambda _: None), 2, ("--test 0%",)),
    ("a word for --header", "data", ("--header", "maybe"), table(lambda _: None), 2,
     ("--header maybe", "auto, yes or no")),
    ("a word for --missing", "train", ("--missing", "zero"), table(lambda _: None), 2,
     ("--missing zero", "error, mean or drop")),
    ("an output that is DATA", "train", ("--save", "t.csv"), table(lambda _: None), 2, ("--save", "a file of DATA")),
    ("an output that is DATA, of a sweep", "sweep", ("--runs", "t.csv"), table(lambda _: None), 2,
     ("--runs", "a file of DATA")),
    ("classes that the checkpoint does not know", "eval", (), line(7, "1,2,3,4,5,green"), 1, ("t.csv:7", "green")),
    ("a column that the checkpoint knows", "eval", (), line(1, "a,b,c,d,f,kind"), 1, ("'e'", "t.csv")),
    ("columns in which the checkpoint has words", "eval", (), archive(x=X, y=Y), 1, ("a.npz",)),
    ("a missing column, for predictions", "predict", (), line(1, "a,b,c,d,f,kind"), 1, ("'e'",)),
    ("a row with too few fields, for predictions", "predict", (), line(7, "1,2,3"), 1, ("t.csv:7",)),
]


def arguments(t, command, folder, data):
    """A command with a network or a checkpoint for the table."""
    (folder / "n").mkdir()
    net = folder / "n" / "net"
    net.write_text("input 5\ndense " + ("1\nloss mse\n" if command == "train-values" else "3\n"))
    if command == "data":
        return [command, data]
    if command in ("eval", "predict"):
        good = put(folder / "n" / "good.csv", TABLE.encode())
        t.run("train", "tabular", good, "--device", "reference", "--steps", "2", "--batch", "8", "--save",
              folder / "n" / "c")
        return [command, folder / "n" / "c", data, "--device", "none such"]
    return [command.split("-")[0], net, data, "--device", "none such"]


for _name, _command, _words, _make, _status, _texts in BAD:
    def bad(t, command=_command, words=_words, make=_make, status=_status, texts=_texts):
        folder = t.place()
        data = make(folder)
        line = arguments(t, command, folder, data)
        t.fails(status, texts, *line, *words, cwd=folder)
    case(f"{_command.split('-')[0]} {' '.join(_words)}: {_name}: status {_status}")(bad)


@case("data: of many problems the first ten are listed, each with its line")
def _(t):
    lines = TABLE.splitlines()
    for k in range(5, 30):
        lines[k] = "1,2,3,4,5,red,7"
    path = put(t.place() / "t.csv", "\n".join(lines).encode())
    result = t.fails(1, ("only the first 10 problems",), "data", path)
    for k in range(6, 16):
        expect(f"t.csv:{k}: " in result.err, f"line {k}", result)
    expect("t.csv:16" not in result.err, "more than ten", result)


if __name__ == "__main__":
    sys.exit(main(__doc__))
