#!/usr/bin/env python3
"""tassello sweep."""
import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import sys
import time

from checks import SWEPT
from common import case, expect, LAST, leftovers, main, make_set, NET, one_object, Result, Skip

SWEEP_USAGE = [
    (("--batches", "0"), ("--batches 0", "whole numbers from 1")),
    (("--batches", "16,"), ("--batches 16,",)),
    (("--batches", "16 64"), ("--batches 16 64",)),
    (("--batches", "16,32,16"), ("16 is listed twice",)),
    (("--batches", "99999999999"), ("--batches 99999999999",)),
    (("--batches", ",".join(map(str, range(1, 34)))), ("at most 32",)),
    (("--batches", "16,241"), ("--batches: 241", "240 examples")),
    (("--batches", "16,64", "--examples", "60"), ("--batches: 64", "60 examples")),
    (("--examples", "241"), ("--examples 241", "240 examples")),
    (("--validation", "240"), ("--validation", "240")),
    (("--validation", "100%"), ("--validation 100%",)),
    (("--examples", "9"), ("9 examples", "--validation")),
    (("--ranks", "4"), ("--ranks", "--bandwidth and --latency")),
    (("--ranks", "1", "--bandwidth", "1G", "--latency", "1e-6"), ("--ranks 1",)),
    (("--ranks", "6", "--bandwidth", "1G", "--latency", "1e-6"), ("--ranks 6", "power of two")),
    (("--ranks", "4", "--bandwidth", "1G"), ("--bandwidth", "--latency")),
    (("--bandwidth", "1G", "--latency", "1e-6"), ("--ranks with them",)),
    (("--target-loss", "0"), ("--target-loss 0",)),
    (("--target-loss", "nan"), ("--target-loss nan", "finite")),
    (("--target-loss", "1e9"), ("--target-loss 1e+09", "below 1e6")),
    (("--target-accuracy", "1"), ("--target-accuracy 1", "between 0 and 1")),
    (("--target-loss", "1", "--target-accuracy", "0.5"), ("--target-loss and --target-accuracy",)),
    (("--target-on", "train"), ("--target-on train", "--target-loss")),
    (("--target-on", "test"), ("--target-on test", "validation", "train")),
    (("--goal", "speed"), ("--goal speed", "time", "examples", "accuracy", "memory")),
    (("--seeds", "1"), ("--seeds 1", "from 2 to 32")),
    (("--epochs", "0"), ("--epochs 0",)),
    (("--epochs", "1e7"), ("--epochs 1e+07", "at most 1e6")),
    (("--waste", "0.5"), ("--waste 0.5", "at least 1")),
    (("--lr", "0"), ("--lr 0", "above 0")),
    (("--lr", "65"), ("--lr 65", "1e-6 to 64")),
    (("--lr-grid", "--lr-scaling", "sqrt"), ("--lr-grid and --lr-scaling",)),
    (("--rates", "0.1", "--batches", "16"), ("--rates", "--target-loss")),
    (("--rates", "0.1,0.2", "--target-loss", "1"), ("--rates", "--batches", "--batches")),
    (("--rates", "0.1,0.2", "--batches", "16", "--target-loss", "1"), ("found 2",)),
    (("--rates", "0.1,0", "--batches", "16,4", "--target-loss", "1"), ("--rates 0.1,0", "above 0")),
    (("--rates", "0.1,1025", "--batches", "16,4", "--target-loss", "1"), ("--rates: 1025", "1e-9 to 1024")),
    (("--rates", "0.1,x", "--batches", "16,4", "--target-loss", "1"), ("--rates 0.1,x",)),
    (("--rates", "0.1", "--batches", "16", "--target-loss", "1", "--lr", "1"), ("--rates and --lr:",)),
    (("--rates", "0.1", "--batches", "16", "--target-loss", "1", "--lr-grid"), ("--rates and --lr-grid",)),
    (("--lr-scaling", "cubic"), ("--lr-scaling cubic", "none", "linear", "sqrt")),
    (("--base-batch", "32"), ("--base-batch", "--lr-scaling")),
    (("--lr-scaling", "none", "--base-batch", "32"), ("--base-batch", "--lr-scaling")),
    (("--optimizer", "adam", "--momentum", "0.5"), ("--momentum", "--optimizer sgd")),
    (("--beta1", "0.5"), ("--beta1", "adam")),
    (("--optimizer", "adamw", "--nesterov"), ("--nesterov", "--optimizer sgd")),
    (("--nesterov", "--momentum", "0"), ("--nesterov", "--momentum above 0")),
    (("--schedule", "step"), ("--schedule step", "--decay-steps")),
    (("--decay-steps", "9"), ("--decay-steps", "--schedule step")),
    (("--decay", "0.5"), ("--decay", "--schedule step")),
    (("--lr-end", "0.01"), ("--lr-end", "--schedule cosine")),
    (("--time", "0s"), ("--time 0s", "90s, 10m or 2h")),
    (("--time", "10"+"0" * 40), ("--time 1000",)),
    (("--time", "-5m"), ("--time -5m",)),
    (("--time", "m"), ("--time m",)),
    (("--time", "5d"), ("--time 5d",)),
    (("--brief", "--goal", "accuracy"), ("--brief and --goal accuracy",)),
    (("--report", "x", "--json", "x"), ("--report and --json", "two different files")),
    (("--report", "./x", "--json", "x"), ("--report and --json", "two different files")),
    (("--report", "-"), ("--report -", "a file")),
]
for _arguments, _texts in SWEEP_USAGE:
    def sweep_usage(t, arguments=_arguments, texts=_texts):
        folder = t.place()
        t.fails(2, texts, "sweep", t.net, t.data, "--device", "reference", *arguments, cwd=folder)
        expect(not leftovers(folder), f"left behind: {leftovers(folder)}")
    case(f"sweep {' '.join(_arguments)[:60]}: status 2")(sweep_usage)


@case("sweep: what cannot be written, and what would be replaced, is found before the work")
def _(t):
    folder = t.place()
    (folder / "file").write_text("x")
    (folder / "net").write_text(NET)
    where = ("sweep", folder / "net", t.data, "--device", "none such")
    t.fails(1, ("--json /no/such/place/j", "cannot be written"), *where, "--json", "/no/such/place/j")
    t.fails(1, ("--json", "not a regular file"), *where, "--json", folder)
    t.fails(1, ("--report /no/such/place/r.html",), *where, "--report", "/no/such/place/r.html")
    t.fails(1, ("--report", "gnuplot"), *where, "--report", folder / "r.html", env={"PATH": "/nonexistent"})
    t.fails(1, ("--state", "not a folder"), *where, "--state", folder / "file")
    t.fails(1, ("--state", "cannot be created"), *where, "--state", folder / "none" / "such")
    t.fails(2, ("would overwrite the network",), *where, "--json", folder / "net")
    for option in "--json", "--report":
        t.fails(2, (option, "would overwrite a file of DATA"), *where, option, t.data / "train-labels-idx1-ubyte")
    t.fails(1, ("no device none such",), *where, "--state", folder / "new")
    expect(leftovers(folder) == ["file", "net"] and (folder / "net").read_text() == NET, f"{leftovers(folder)}")


def table(result):
    """The rows, by batch."""
    rows = re.search(r"^batch +lr .*\n((?: +\d+  .*\n)+)", result.out, re.M)
    advice = re.search(r"^advice +Batch (\d+)", result.out, re.M)
    expect(rows and advice, "no table, or no advice", result)
    return {int(line.split()[0]): line.split() for line in rows[1].splitlines()}, int(advice[1])


@case("sweep: a table, the advice, and a command that trains so; the forecast first, on stderr")
def _(t):
    folder = t.place()
    report = ("--report", folder / "r.html") if shutil.which("gnuplot") else ()
    result = t.run("sweep", t.net, t.data, "--device", "reference", *SWEPT, "--json", folder / "j", "--state",
                   folder / "s", *report)
    rows, batch = table(result)
    expect(list(rows) == [4, 16] and batch in rows, f"{rows}", result)
    expect(re.search(r"^forecast: about \d+:\d\d", result.err, re.M), "no forecast", result)
    expect(f"json         {folder / 'j'}\n" in result.out and leftovers(folder, "r.html") == ["j", "s"],
           "not told where", result)
    if report:
        expect(f"report       {folder / 'r.html'}\n" in result.out and "<html" in (folder / "r.html").read_text(),
               "no report", result)
    o = json.loads((folder / "j").read_text())
    expect([row["batch"] for row in o["batches"]] == [4, 16] and "b_crit" in o, f"{list(o)}")
    command = re.search(r"^command +tassello (train .+)$", result.out, re.M)
    expect(command and f"--batch {batch} --lr " in command[1], "no command", result)
    trained = t.run(*shlex.split(command[1]))
    expect(LAST.search(trained.out), "the command does not train", trained)
    again = t.run("sweep", t.net, t.data, "--device", "reference", *SWEPT, "--state", folder / "s")
    expect(table(again)[0][4][1] == rows[4][1] and again.seconds < result.seconds + 1, "not taken from the state",
           again)


@case("sweep --ranks: a row per number of devices; more of them take larger batches; the knee is that of the figures")
def _(t):
    result = t.run("sweep", t.net, t.data, "--device", "reference", *SWEPT, "--batches", "24,12,6,3", "--ranks", "4",
                   "--bandwidth", "10G", "--latency", "1e-9", "--json", "-")
    o = one_object(result)
    rows = o["on_devices"]
    expect([row["devices"] for row in rows] == [1, 2, 4], f"{rows}", result)
    expect(rows[0]["added_step_s"] == 0 < rows[1]["added_step_s"] and rows[0]["speedup"] == 1, f"{rows}")
    for row in rows:
        expect(row["batch"] in (4, 8, 16) and row["batch"] >= row["devices"] and row["seconds"] > 0, f"{row}")
        expect(abs(row["speedup"] - rows[0]["seconds"] / row["seconds"]) < 1e-6 * row["speedup"], f"{row}")
        if row["knee"] is not None and o["b_crit"]:
            knee = ((o["step_fixed_s"] + row["added_step_s"]) / o["step_each_s"] * o["b_crit"] * row["devices"]) ** 0.5
            expect(abs(row["knee"] - knee) < 1e-5 * knee and row["wasted"] is (knee > o["b_crit"]), f"{row} {knee}")
    expect("On 4 devices: batch " in o["recommendation"]["reason"], f"{o['recommendation']}")
    head = r"^devices +devices +batch +its time +speed-up +examples +knee$"
    expect(re.search(head, result.err, re.M), "no table", result)
    expect(len(re.findall(r"^ {13} +[124] +(?:4|8|16) .*", result.err, re.M)) == 3, "no rows", result)


@case("sweep: a target that chance or the untrained network meets is refused before any training")
def _(t):
    for target, words in (
        (("--target-loss", "5"), ("a target loss of 5.00 says nothing", "frequencies of classes", "a lower one")),
        (("--target-loss", "1.38"), ("a target loss of 1.38 says nothing", "a lower one")),
        (("--target-accuracy", "0.05"), ("a target accuracy of 0.0500", "most frequent class", "a higher one")),
    ):
        folder = t.place()
        said = t.run("sweep", t.net, t.data, "--device", "reference", "--brief", *target, "--state", folder / "s",
                     "--json", folder / "j", status=2).says(*words)
        expect("searching" not in said.err and "batch " not in said.out and not (folder / "j").exists(), "trained",
               said)
        expect(not list((folder / "s").glob("run-*")), "runs were kept", said)


@case("sweep: nothing but the command is wider than 80 columns, or than the terminal; --wide has all columns")
def _(t):
    words = ("sweep", t.net, t.data, "--device", "reference", *SWEPT)
    for columns, more in (("80", ()), ("60", ()), (None, ()), ("100", ("--wide",))):
        said = t.run(*words, *more, env={"COLUMNS": columns} if columns else {})
        lines = [line for line in said.out.splitlines() if not line.startswith(("command", "network", "data"))]
        wide = [line for line in lines if len(line) > int(columns or 80)]
        heads = [line for line in lines if line.startswith("batch ")]
        rows = [line for line in lines if re.match(r" *\d+ |targets | {14} +[\d.]+ +[\d.]+ ", line)] + heads
        expect(len(heads) == 1 and all(line in rows for line in wide), f"{wide}", said)
        expect(more or all(len(line) <= 80 for line in lines), f"{lines}", said)
        for name in ("memory", "test accuracy", "worse by"):
            expect((name in heads[0]) == bool(more), f"{heads}", said)


@case("sweep: the command stops at the target, if that is one of held-out examples; the text says so")
def _(t):
    words = ("sweep", t.net, t.data, "--device", "reference", *SWEPT, "--batches", "16", "--rates", "0.05")
    for target, option, sentence in (
        (("--target-loss", "0.7"), "--until-loss 0.7 ", r"It stops at the target, and after \d+ epochs? at the latest"),
        (("--target-accuracy", "0.9"), "--until-accuracy 0.9 ", r"It stops at the target, and after \d+ epoch"),
        (("--target-loss", "0.7", "--target-on", "train"), "", r"It trains for \d+ epochs?, enough for 95 % of seeds; "
         r"there is no stop at a training loss\."),
    ):
        said = t.run(*(w for w in words if w not in ("--target-loss", "0.7")), *target)
        found = re.search(r"^command +tassello (train .+)\n((?: {13}.*\n)+)", said.out, re.M)
        expect(found and option in found[1] and ("--until" in found[1]) == bool(option), "another command", said)
        expect(re.match(sentence, " ".join(found[2].split())), found[2], said)
        trained = one_object(t.run(*shlex.split(found[1]), "--json"))
        expect(not option or trained["target"]["state"] == "reached", f"{trained}", said)


@case("sweep: the command has the sweep's seed, and the course of its runs")
def _(t):
    words = ("sweep", t.net, t.data, "--device", "reference", *SWEPT, "--seed", "5", "--schedule", "cosine", "--epochs",
             "2.5")
    result = t.run(*words, "--batches", "16", "--target-loss", "1.3", "--rates", "0.05")
    command = re.search(r"^command +tassello (train .+)$", result.out, re.M)[1]
    trained = t.run(*shlex.split(command))
    expect("--seed 5" in command and "--schedule cosine" in command, command, result)
    examples = int(re.search(r"(\d+) examples to train", result.out)[1])
    examples -= examples // 10
    steps = 2 * -(-examples // 16) + -(-examples // 2 // 16)
    expect(f"--steps {steps} " in command, f"{steps} steps", result)
    expect(f"/{steps} " in trained.err and "reached after step" in trained.out, "another course", trained)


@case("sweep: the command's warm-up fits its run")
def _(t):
    words = ("sweep", t.net, t.data, "--device", "reference", *SWEPT, "--epochs", "8", "--batches", "16",
             "--target-loss", "1.3")
    for warmup, rate, option in (("3000", "0.2", "--warmup 112"), ("1", "0.05", "--warmup 4")):
        result = t.run(*words, "--warmup", warmup, "--rates", rate)
        command = re.search(r"^command +tassello (train .+)$", result.out, re.M)
        expect(command and option in command[1] and "--warmup 0" not in command[1], "another command", result)
        expect(LAST.search(t.run(*shlex.split(command[1])).out), "the command does not train: " + command[1])


@case("sweep --json -: one object on stdout and the table on stderr")
def _(t):
    result = t.run("sweep", t.net, t.data, "--device", "reference", *SWEPT, "--json", "-")
    expect(one_object(result)["batches"][0]["batch"] == 4, "not the object", result)
    result.says("advice ", "command ", "target ")


@case("sweep with batch normalization: the noise scale is not estimated, and the object and the log say why")
def _(t):
    net = t.place() / "n"
    net.write_text("input 8x8\ndense 12 no bias\nbatch_norm\nrelu\ndense 4\n")
    result = t.run("sweep", net, t.data, "--device", "reference", *SWEPT, "--json", "-")
    row = one_object(result)["batches"][0]
    expect(row["noise_scale"]["state"] == "not estimated" and row["noise_scale_group"] is None
           and "whole batch" in row["noise_scale_obstacle"], f"{row}")
    expect(result.err.count("the gradient noise scale is not estimated") == 1, "not once", result)


@case("sweep: a target that no batch reaches, and a time limit too short")
def _(t):
    words = ("sweep", t.net, t.data, "--device", "reference", *SWEPT)
    t.run(*words, "--target-loss", "0.0000001", "--epochs", "2", status=1).says(
        "no batch reached", "the nearest was", "--epochs")
    t.run(*words, "--time", "0.001s", status=2).says("time limit", "too short")


@case("sweep --state and --time: what the state holds is told, however little time is left")
def _(t):
    folder = t.place()
    words = ("sweep", t.net, t.data, "--device", "reference", *SWEPT, "--state", folder / "s")
    rows, _ = table(t.run(*words))
    file = folder / "s" / "sweep.json"
    for elapsed in (539.9, 541):
        file.write_text(json.dumps({**json.loads(file.read_text()), "elapsed": elapsed}))
        again, _ = table(t.run(*words, "--time", "9m"))
        expect(all(again[batch][1] == rows[batch][1] != "-" for batch in rows), f"{rows} {again}")


@case("sweep: a set of one class teaches nothing")
def _(t):
    data = make_set(t.place() / "d", classes=1)
    t.run("sweep", t.net, data, "--device", "reference", *SWEPT, status=1).says("all examples are of class 0",
                                                                                "nothing to learn")


@case("sweep: an accuracy is no target under loss mse")
def _(t):
    net = t.place() / "net"
    net.write_text(NET + "loss mse\n")
    t.fails(2, ("--target-accuracy", "mse", "--target-loss"), "sweep", net, t.data, "--device", "none such",
            "--target-accuracy", "0.5")


@case("sweep --state: a folder in use, or of an unknown sweep, is refused; a damaged run is repeated; leftovers go")
def _(t):
    folder = t.place()
    state, words = folder / "s", ("sweep", t.net, t.data, "--device", "reference", *SWEPT, "--state", folder / "s")
    t.run(*words)
    (state / "run-0001.json.tassello-1234500").write_text("{")
    (state / "run-0001.json.old").write_text("{")
    t.run(*words)
    expect([n for n in leftovers(state) if n.startswith("run-0001.json.")] == ["run-0001.json.old"],
           f"{leftovers(state)}")
    handle = os.open(state, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    t.run(*words, status=1).says(str(state), "in use")
    os.close(handle)
    t.run(*words, "--momentum", "0.5", status=2).says(str(state), "momentum 0.5")
    text = (state / "sweep.json").read_text()
    (state / "sweep.json").write_text(text[:30])
    t.run(*words, status=1).says("sweep.json:")
    (state / "sweep.json").unlink()
    t.run(*words, "--momentum", "0.5", status=1).says(str(state), "no sweep.json")
    expect("sweep.json" not in leftovers(state), "it was made another sweep's")
    (state / "sweep.json").write_text(text)
    run = state / "run-0001.json"
    run.write_text(run.read_text()[:100])
    t.run(*words).says("run-0001.json:")
    run.unlink()
    expect("run-0001.json" not in t.run(*words).err, "a file that is gone is mentioned")


@case("sweep --state: test figures are those of the batch's own rate, whatever other rate was run there")
def _(t):
    folder = t.place()
    words = ("sweep", t.net, t.data, "--device", "reference", "--batches", "16", "--target-loss", "0.7", "--epochs",
             "20", "--seeds", "2", "--brief",
             "--state", folder / "s", "--json", folder / "j")
    losses = []
    for rate in ("0.1", "0.02", "0.1"):
        t.run(*words, "--rates", rate)
        losses.append(json.loads((folder / "j").read_text())["batches"][0]["test_loss"])
    expect(losses[0] == losses[2] != losses[1], f"{losses}")


@case("sweep and SIGINT: status 130, what is known is told, and the state goes on; SIGUSR1 before it does nothing")
def _(t):
    folder = t.place()
    words = ("sweep", t.net, t.data, "--device", "reference", "--batches", "1,2,4,8,16", "--target-loss", "0.02",
             "--epochs", "200", "--state",
             folder / "s")
    child = t.start(*words)
    begin = time.monotonic()
    while not list((folder / "s").glob("run-*")) and time.monotonic() - begin < 60:
        expect(child.poll() is None, f"it has ended with {child.poll()}")
        time.sleep(0.02)
    child.send_signal(signal.SIGUSR1)
    time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    result = Result(words, child.returncode, out, err, 0)
    expect(child.returncode == 130, "another status", result)
    result.says("interrupted", str(folder / "s"), "resumes")
    expect(re.search(r"^batch +lr ", result.out, re.M), "no table", result)


@case("sweep and SIGINT while its report is written: the files are whole, and the table is there")
def _(t):
    if not shutil.which("gnuplot"):
        raise Skip("no gnuplot")
    folder = t.place()
    drawn, slow = folder / "drawn", folder / "bin" / "gnuplot"
    slow.parent.mkdir()
    slow.write_text(f'#!/bin/sh\n[ "$1" = --version ] || {{ : > "{drawn}"; sleep 0.5; }}\n'
                    f'exec {shutil.which("gnuplot")} "$@"\n')
    slow.chmod(0o755)
    words = ("sweep", t.net, t.data, "--device", "reference", *SWEPT, "--report", folder / "r.html", "--json",
             folder / "j")
    child = t.start(*words, env={"PATH": f"{slow.parent}:{os.environ['PATH']}"})
    begin = time.monotonic()
    while not drawn.exists() and time.monotonic() - begin < 60:
        expect(child.poll() is None, f"it has ended with {child.poll()}")
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    result = Result(words, child.returncode, out, err, 0)
    expect(child.returncode == 130, "another status", result)
    table(result)
    expect(json.loads((folder / "j").read_text())["batches"], "no JSON")
    expect(leftovers(folder) == ["bin", "drawn", "j", "r.html"], f"{leftovers(folder)}", result)


if __name__ == "__main__":
    sys.exit(main(__doc__))
