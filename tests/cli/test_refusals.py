#!/usr/bin/env python3
"""Settings of train that are refused: exit status 2, and nothing is written."""
import sys

from common import case, expect, leftovers, main

BAD_VALUES = [
    (("--steps", "4", "--epochs", "2"), ("--epochs and --steps",)),
    (("--batch", "0"), ("--batch 0", "whole number from 1")),
    (("--batch", "241"), ("241", "240 examples")),
    (("--batch", "abc"), ("--batch abc",)),
    (("--batch", "-4"), ("--batch -4",)),
    (("--batch", "16.5"), ("--batch 16.5",)),
    (("--batch", " 16"), ("--batch  16",)),
    (("--batch", "0x10"), ("--batch 0x10",)),
    (("--batch", "1e2"), ("--batch 1e2",)),
    (("--batch", ""), ("--batch",)),
    (("--batch", "4294967295"), ("4294967295", "240 examples")),
    (("--batch", "4294967312"), ("--batch 4294967312", "to 4294967295")),
    (("--batch", "99999999999999999999999"), ("--batch 99999999999999999999999",)),
    (("--batch-schedule", "32,5"), ("--batch-schedule: 5:", "500:64")),
    (("--batch-schedule", "3:32,5:4"), ("--batch-schedule: 3:32:", "first batch alone")),
    (("--batch-schedule", "32,5:9,5:4"), ("--batch-schedule: 5:4:", "a step after 5")),
    (("--batch-schedule", "32,x:9"), ("--batch-schedule: x:9:", "a step from 1")),
    (("--batch-schedule", "32,0:9"), ("--batch-schedule: 0:9:", "a step from 1")),
    (("--batch-schedule", "32,5:0"), ("--batch-schedule: 5:0:", "a batch from 1")),
    (("--batch-schedule", "32,"), ("--batch-schedule",)),
    (("--batch-schedule", ""), ("--batch-schedule",)),
    (("--batch-schedule", "32" + "".join(f",{k}:8" for k in range(1, 66))), ("65:8", "at most 64")),
    (("--batch-schedule", "241,5:8"), ("--batch-schedule: 241", "240 examples")),
    (("--batch-schedule", "8,5:241"), ("--batch-schedule: 5:241", "240 examples")),
    (("--batch-schedule", "8,9:16", "--steps", "9"), ("change 1", "from step 9", "only 9 steps")),
    (("--batch-schedule", "32", "--batch", "32"), ("--batch and --batch-schedule",)),
    (("--batch-schedule", "32", "--schedule", "seesaw", "--decay-steps", "5"), ("--schedule seesaw", "its own")),
    (("--schedule", "seesaw", "--decay-steps", "5", "--batch", "auto"), ("--schedule seesaw", "--batch auto")),
    (("--schedule", "seesaw",), ("--schedule seesaw requires --decay-steps",)),
    (("--schedule", "seesaw", "--decay-steps", "5", "--decay", "0.5"), ("--decay requires",)),
    (("--batch-most", "64"), ("--batch-most requires --batch grow or --schedule seesaw",)),
    (("--steps", "-1"), ("--steps -1",)),
    (("--steps", "0"), ("--steps 0",)),
    (("--steps", "18446744073709551617"), ("--steps 18446744073709551617",)),
    (("--epochs", "0"), ("--epochs 0",)),
    (("--epochs", "4294967296"), ("--epochs 4294967296",)),
    (("--lr", "nan"), ("--lr nan", "finite number")),
    (("--lr", "+nan"), ("--lr +nan", "finite number")),
    (("--lr", "inf"), ("--lr inf", "finite number")),
    (("--lr", "+inf"), ("--lr +inf", "finite number")),
    (("--lr", "-1"), ("--lr -1", "0 or more")),
    (("--lr", "1e39"), ("--lr 1e39", "finite number")),
    (("--lr", "1e30"), ("lr 1e+30", "expected")),
    (("--lr", "0,1"), ("--lr 0,1",)),
    (("--lr", "0x1p-3"), ("--lr 0x1p-3",)),
    (("--lr", "0.1x"), ("--lr 0.1x",)),
    (("--lr", ""), ("--lr",)),
    (("--momentum", "2"), ("--momentum 2", "below 1")),
    (("--momentum", "1"), ("--momentum 1", "below 1")),
    (("--momentum", "-0.5"), ("--momentum -0.5",)),
    (("--momentum", "nan"), ("--momentum nan",)),
    (("--weight-decay", "-1"), ("--weight-decay -1",)),
    (("--nesterov", "--momentum", "0"), ("--nesterov", "momentum")),
    (("--optimizer", "adagrad"), ("--optimizer adagrad", "sgd", "adam", "adamw")),
    (("--optimizer", "adam", "--momentum", "0.9"), ("--momentum requires --optimizer sgd",)),
    (("--optimizer", "adamw", "--momentum", "0"), ("--momentum requires --optimizer sgd",)),
    (("--optimizer", "adam", "--nesterov"), ("--nesterov requires --optimizer sgd",)),
    (("--beta1", "0.9"), ("--beta1 requires --optimizer adam",)),
    (("--beta2", "0.999", "--optimizer", "sgd"), ("--beta2 requires --optimizer adam",)),
    (("--epsilon", "1e-8"), ("--epsilon requires --optimizer adam",)),
    (("--optimizer", "adam", "--beta1", "1"), ("--beta1 1", "below 1")),
    (("--optimizer", "adam", "--beta2", "-0.1"), ("--beta2 -0.1", "below 1")),
    (("--optimizer", "adam", "--beta2", "1e-30"), ("--beta2 1e-30", "1e-18 or more")),
    (("--optimizer", "adam", "--epsilon", "0"), ("--epsilon 0", "1e-18 or more")),
    (("--optimizer", "adam", "--epsilon", "1e-30"), ("--epsilon 1e-30", "1e-18 or more")),
    (("--optimizer", "adam", "--epsilon", "1e7"), ("--epsilon 1e+07", "at most 1e6")),
    (("--optimizer", "lion", "--epsilon", "1e-8"), ("--epsilon requires --optimizer adam, adamw, rmsprop or lamb",)),
    (("--optimizer", "lamb", "--momentum", "0.9"), ("--momentum requires --optimizer sgd, rmsprop or lars",)),
    (("--optimizer", "adam", "--alpha", "0.9"), ("--alpha requires --optimizer rmsprop",)),
    (("--trust", "0.01"), ("--trust requires --optimizer lars",)),
    (("--optimizer", "lars", "--trust", "0"), ("--trust 0", "1e-18 or more")),
    (("--decay-on", "weights"), ("--decay-on requires --weight-decay above 0",)),
    (("--decay-on", "biases"), ("--decay-on biases", "all", "weights")),
    (("--clip", "-1"), ("--clip -1",)),
    (("--clip", "1e-30"), ("--clip 1e-30", "1e-18")),
    (("--clip", "1e7"), ("--clip 1e+07", "1e6")),
    (("--schedule", "exponential"), ("--schedule exponential requires --decay-steps",)),
    (("--schedule", "one-cycle", "--warmup", "3"), ("one-cycle and --warmup",)),
    (("--schedule", "one-cycle", "--rise", "1"), ("--rise 1", "below 1")),
    (("--schedule", "one-cycle", "--rise", "0"), ("--rise 0", "above 0")),
    (("--schedule", "cosine", "--power", "2"), ("--power requires --schedule polynomial",)),
    (("--schedule", "polynomial", "--power", "101"), ("--power 101", "at most 100")),
    (("--seed", "-1"), ("--seed -1",)),
    (("--seed", "1e3"), ("--seed 1e3",)),
    (("--seed", "18446744073709551616"), ("--seed 18446744073709551616",)),
    (("--tile", "0"), ("--tile 0", "whole number from 1")),
    (("--tile", "-1"), ("--tile -1",)),
    (("--budget", ""), ("--budget",)),
    (("--budget", "0"), ("--budget 0", "64M")),
    (("--save", ""), ("--save",)),
    (("--save", "x", "--log", "x"), ("--save and --log",)),
]
for _arguments, _texts in BAD_VALUES:
    def bad_value(t, arguments=_arguments, texts=_texts):
        folder = t.place()
        result = t.run("train", t.net, t.data, "--device", "reference", *arguments, status=2, cwd=folder).says(*texts)
        expect(not result.out.count("test "), "a result on stdout", result)
        expect(not leftovers(folder), f"left behind: {leftovers(folder)}", result)
    case(f"train {' '.join(_arguments)}: status 2")(bad_value)


@case("train: what does not go together is wrong usage, and is found before the log is opened")
def _(t):
    log = t.place() / "log"
    log.write_text("mine")
    for texts, *arguments in (
            (("--decay requires --schedule step",), "--decay", "0.5"),
            (("--decay requires --schedule step",), "--decay", "0", "--schedule", "cosine"),
            (("--decay-steps requires --schedule step",), "--decay-steps", "5"),
            (("--schedule step requires --decay-steps",), "--schedule", "step"),
            (("--lr-end requires --schedule cosine",), "--lr-end", "0"),
            (("--lr-end requires --schedule cosine",), "--lr-end", "0.1", "--schedule", "step", "--decay-steps", "3"),
            (("--base-batch requires --lr-scaling",), "--base-batch", "32"),
            (("--base-batch requires --lr-scaling",), "--base-batch", "32", "--lr-scaling", "none"),
            (("--schedule line", "constant", "step", "cosine"), "--schedule", "line"),
            (("--lr-scaling x", "none", "linear", "sqrt"), "--lr-scaling", "x"),
            (("--warmup 0",), "--warmup", "0"),
            (("--decay-steps 0",), "--schedule", "step", "--decay-steps", "0"),
            (("--base-batch 0",), "--lr-scaling", "sqrt", "--base-batch", "0"),
            (("warmup 11", "10 steps"), "--warmup", "11"),
            (("warmup 2", "1 step\n"), "--warmup", "2", "--steps", "1"),
            (("decay 0",), "--schedule", "step", "--decay-steps", "1", "--decay", "0"),
            (("decay 1.5",), "--schedule", "step", "--decay-steps", "1", "--decay", "1.5"),
            (("lr 900000", "1 to 16", "14400000"), "--lr", "9e5", "--lr-scaling", "linear", "--base-batch", "1"),
            (("--profile and --validation",), "--profile", "--validation", "5"),
            (("--validation 0",), "--validation", "0"),
            (("--validation 100%",), "--validation", "100%"),
            (("--validation 0%",), "--validation", "0%"),
            (("--validation 0.1",), "--validation", "0.1"),
            (("--validation 1K",), "--validation", "1K"),
            (("--validation x",), "--validation", "x"),
            (("--validation", "hold out 240 examples", "the 240"), "--validation", "240"),
            (("--validation", "hold out 99 examples", "the 50"), "--validation", "99", "--examples", "50"),
            (("--examples 241", "240 examples"), "--examples", "241"),
            (("--examples 0",), "--examples", "0"),
            (("--batch 16", "10 examples"), "--batch", "16", "--examples", "10"),
            (("--batch 16", "15 examples"), "--batch", "16", "--examples", "30", "--validation", "50%")):
        t.fails(2, texts, "train", t.net, t.data, "--device", "reference", "--steps", "10", "--batch", "16", "--log",
                log, *arguments)
    expect(log.read_text() == "mine", "the log was touched")


@case("train: what only the run itself finds wrong leaves the log as it was, too")
def _(t):
    folder = t.place()
    log = folder / "log"
    log.write_text("mine")
    for texts, *arguments in ((("2^32 - 1",), "--steps", "4294967295"), (("weight decay",), "--weight-decay", "1e-30"),
                              (("momentum",), "--momentum", "1e-30")):
        for known in (log, folder / "none"):
            t.fails(2, texts, "train", t.net, t.data, "--device", "reference", "--batch", "16", "--log", known,
                    *arguments)
    expect(log.read_text() == "mine" and leftovers(folder) == ["log"], f"the log was touched: {leftovers(folder)}")


if __name__ == "__main__":
    sys.exit(main(__doc__))
