#!/usr/bin/env python3
"""tassello export and import, and ONNX models as NET."""
import json
import sys

from checks import SWEPT
from common import case, expect, leftovers, main, one_object


def model_of(t, folder):
    """A checkpoint, and the ONNX model of it."""
    checkpoint, model = folder / "a b.safetensors", folder / "a b.onnx"
    t.checkpoint(checkpoint)
    t.run("export", checkpoint, model)
    return checkpoint, model


@case("export, import: the same weights and the same evaluation; nothing else is written")
def there_and_back(t):
    folder = t.place()
    checkpoint, model = model_of(t, folder)
    exported = one_object(t.run("export", checkpoint, model, "--json"))
    imported = one_object(t.run("import", model, folder / "back", "--json"))
    expect(exported["weights_sha256"] == imported["weights_sha256"], "other weights", (exported, imported))
    expect((exported["inputs"], exported["outputs"], exported["parameters"]) == (64, 4, 556), "other sizes", exported)
    expect(imported["loss"] == "softmax" and imported["parameters"] == 556, "another network", imported)
    before, after = (t.run("eval", path, t.data, "--device", "reference") for path in
                     (checkpoint, folder / "back.safetensors"))
    expect(before.out.splitlines()[-2:] == after.out.splitlines()[-2:], "another result", after)
    expect("imported from a b.onnx" in after.out, "it does not say where the weights are from", after)
    expect(not leftovers(folder, checkpoint.name, model.name, "back.net", "back.safetensors"), "leftovers")
    text = (folder / "back.net").read_text()
    expect(text.endswith("input 1x8x8\ndense 8\nrelu\ndense 4\nloss softmax\n"), "another text", text)


@case("NET may be an ONNX model: the same digest as with its text, and notes")
def as_net(t):
    folder = t.place()
    _, model = model_of(t, folder)
    found = t.train("--steps", "3", net=model).says("without its weights", "softmax is used")
    expect(found.digest() == t.train("--steps", "3").digest(), "another digest", found)
    expect("556" in t.run("inspect", model).out, "inspect shows no parameters")
    t.run("plan", model, "--device", "reference")
    squares = t.train("--steps", "3", "--loss", "mse", net=model)
    expect("test loss" in squares.out, "the loss is not mse", squares)


@case("sweep: NET may be an ONNX model, and the command that is advised names it")
def sweep(t):
    folder = t.place()
    _, model = model_of(t, folder)
    found = t.run("sweep", model, t.data, "--device", "reference", *SWEPT, "--rates", "0.05,0.05", "--report",
                  folder / "r.html", "--json", "-")
    expect({row["batch"] for row in one_object(found)["batches"]} == {4, 16}, "other batches", found)
    expect("a b.onnx" in (folder / "r.html").read_text(), "the report does not name the model")


@case("--init: the weights of an ONNX model")
def init(t):
    folder = t.place()
    checkpoint, model = model_of(t, folder)
    trained = json.loads(t.run("eval", checkpoint, t.data, "--device", "reference", "--json").out)["weights_sha256"]
    for net in (model, t.net):
        found = t.train("--steps", "1", "--lr", "0", "--init", model, net=net)
        expect(found.digest() == trained, "other weights", found)
        expect("without its weights" not in found.err, "a note that is wrong", found)


@case("import: earlier files are replaced as a whole, not written over")
def replaces(t):
    folder = t.place()
    _, model = model_of(t, folder)
    for ending in ("net", "safetensors"):
        (folder / f"m.{ending}").write_text("earlier")
        (folder / f"link.{ending}").hardlink_to(folder / f"m.{ending}")
    t.run("import", model, folder / "m")
    for ending in ("net", "safetensors"):
        expect((folder / f"link.{ending}").read_text() == "earlier", f"m.{ending} was written over")
    expect("input 1x8x8" in (folder / "m.net").read_text(), "not the text of the network")


@case("import --loss: in the network's text")
def loss(t):
    folder = t.place()
    _, model = model_of(t, folder)
    t.run("import", model, folder / "m", "--loss", "huber")
    expect((folder / "m.net").read_text().endswith("loss huber\n"), "another loss")


@case("export --probabilities: softmax at the end, which import leaves out")
def probabilities(t):
    folder = t.place()
    checkpoint, model = model_of(t, folder)
    t.run("export", checkpoint, model, "--probabilities")
    t.run("import", model, folder / "m").says("Softmax at the end is part of loss softmax")


BAD = [
    ("import without NAME", 2, ("NAME",), ("import", "m.onnx")),
    ("import of another name", 2, ("m.txt", ".onnx"), ("import", "m.txt", "m")),
    ("import of a file that is not there", 1, ("none.onnx", "No such file"), ("import", "none.onnx", "m")),
    ("import of a text", 1, ("text.onnx", "expected an ONNX model", "a network's text"), ("import", "text.onnx", "m")),
    ("import of an unknown loss", 2, ("--loss 'mes'", "mse"), ("import", "m.onnx", "m", "--loss", "mes")),
    ("a loss for a network's text", 2, ("--loss is for ONNX models",), ("inspect", "mlp", "--loss", "mse")),
    ("import to a folder that is not there", 1, ("none/m",), ("import", "good.onnx", "none/m")),
    ("export of a text", 1, ("text.onnx", "expected a safetensors checkpoint"), ("export", "text.onnx", "m.onnx")),
    ("export onto its checkpoint", 2, ("would replace its checkpoint",), ("export", "c.safetensors", "c.safetensors")),
    ("export to a folder that is not there", 1, ("none/m.onnx",), ("export", "c.safetensors", "none/m.onnx")),
]


def refuse(name, status, texts, arguments):

    @case(f"refused: {name}")
    def check(t):
        folder = t.place()
        checkpoint, model = model_of(t, folder)
        checkpoint.rename(folder / "c.safetensors")
        model.rename(folder / "good.onnx")
        (folder / "text.onnx").write_text("input 1x8x8\ndense 4\n")
        t.fails(status, texts, *arguments, cwd=folder)
        expect(not leftovers(folder, "c.safetensors", "good.onnx", "text.onnx"), "leftovers")


for row in BAD:
    refuse(*row)

if __name__ == "__main__":
    sys.exit(main(__doc__))
