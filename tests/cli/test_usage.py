#!/usr/bin/env python3
"""The command line itself: help, version, and what is wrong usage."""
import re
import sys

from common import case, COMMANDS, expect, main


@case("help of the command and of each subcommand, in each way to ask: stdout alone, status 0")
def _(t):
    top = t.run("--help")
    for name in COMMANDS:
        expect(re.search(rf"^  {name} ", top.out, re.M), f"{name} is not listed", top)
        result = t.run(name, "--help")
        expect(result.err == "" and result.out.startswith(f"Usage: tassello {name} "), "no help", result)
        expect(all(len(line) < 80 for line in result.out.splitlines()), "a line is too long", result)
        expect(result.out.split("Examples:\n")[1].count(f"  tassello {name}") == 2, "not two examples", result)
        for words in (("help", name), (name, "-h"),
                      (name, "--device", "x", "--help") if "--device" in result.out else (name, "-?")):
            expect(t.run(*words).out == result.out, f"{words}: another help")
    expect(all(t.run(word).out == top.out for word in ("help", "-h")), "another help")
    expect(t.run("help", "help").out == t.run("help", "--help").out == top.out, "help on help is another help")
    for word in ("--batch=N", "--epochs=N", "--steps=N", "--lr=X", "--momentum=X", "--seed=N", "--save=FILE",
                 "--log=FILE", "--json",
                 "--profile", "--device=LIST", "--budget=SIZE", "--tile=N", "NET DATA"):
        expect(word in t.run("train", "--help").out, f"{word} is not in the help of train")
    expect("NET [DATA]\n" in t.run("plan", "--help").out, "plan does not say that DATA may be left out")
    expect("fma counts as two" in t.run("inspect", "--help").out, "inspect does not say what a FLOP is")


@case("train --help: options stand in groups, each once, the common ones first")
def _(t):
    out = t.run("train", "--help").out
    groups = dict(re.findall(r"^(\w[\w ]+):\n((?:  .*\n)+)", out, re.M))
    options = {name: re.findall(r"^  --([a-z0-9-]+)", text, re.M) for name, text in groups.items()}
    expect(list(groups)[-1] == "Examples" and len(groups) == 8, f"{list(groups)}")
    firsts = [names[0] for names in list(options.values())[:-1]]
    expect(firsts == ["epochs", "target", "batch", "lr", "schedule", "save", "device"], f"{firsts}")
    expect("weight-decay" in options["Optimizer"] and "budget" in options["Batch and memory"], f"{options}")
    found = re.findall(r"^  --([a-z0-9-]+)", out, re.M)
    expect(len(found) == len(set(found)) > 40, f"{len(found)}: {found}")


@case("help is as wide as COLUMNS, or the terminal, says")
def _(t):
    def widest(said=None, columns=None):
        seen = t.terminal("train", "--help", columns=columns, env={"COLUMNS": str(said)} if said else None)
        lines = seen.replace("\r", "").split("Examples:")[0].splitlines()[1:]
        return max(map(len, lines))
    for columns in (40, 60, 80, 100):
        for found in (widest(said=columns), widest(columns=columns)):
            expect(columns - 10 < found < columns, f"{columns} columns: a line of {found}")
    expect(widest(said=300) < 100, "lines too long to read")


SUGGESTIONS = [
    (("trian",), "train"),
    (("help", "swep"), "sweep"),
    (("hlep",), "help"),
    (("--versoin",), "--version"),
    (("train", "--batchsize", "3"), "--batch"),
    (("train", "--batch-size=3"), "--batch"),
    (("train", "--learning-rate", "0.1"), "--lr"),
    (("train", "--weigth-decay", "0.1"), "--weight-decay"),
    (("sweep", "--target-los", "0.1"), None),  # a prefix of one option is that option
    (("eval", "--jsn"), "--json"),
    (("train", "mlp", "data", "--schedule", "cosin"), "cosine"),
    (("train", "mlp", "data", "--optimizer", "adma"), "adam"),
    (("sweep", "mlp", "data", "--goal", "accurcy"), "accuracy"),
    (("train", "--nothing-like-it"), None),
    (("quark",), None),
]


@case("a misspelt command, option or word is answered with what was probably meant")
def _(t):
    for words, meant in SUGGESTIONS:
        result = t.run(*words, status=None)
        found = re.search(r"did you mean '?([\w-]+)'?\?", result.err)
        expect((found and found[1]) == meant, f"expected {meant}", result)
        expect(result.status == 2 or words[1:2] == ("--target-los",), "another status", result)


@case("--version names library, commit, compiler and contract")
def _(t):
    expect(re.search(r"^tassello \d+\.\d+\.\d+\ncommit \S+, built by .+\narithmetic contract \d+\n\Z",
                     t.run("--version").out),
           "not the version", t.run("--version"))


USAGE = [
    ("no subcommand", (), ("Usage: tassello COMMAND",)),
    ("an unknown subcommand", ("quark",), ("quark", ", ".join(COMMANDS))),
    ("an empty subcommand", ("",), (", ".join(COMMANDS),)),
    ("an option before the subcommand", ("--json", "devices"), ("--json",)),
    ("an unknown option", ("train", "--bogus"), ("--bogus", "tassello train --help")),
    ("an unknown short option", ("train", "-z"), ("z", "tassello train --help")),
    ("inspect without NET", ("inspect",), ("NET is missing",)),
    ("plan without NET", ("plan",), ("NET is missing", "tassello plan --help")),
    ("an argument too many behind one that is optional", ("plan", "mlp", "data", "more"), ("unexpected", "more")),
    ("plan --tile 0", ("plan", "mlp", "--tile", "0"), ("--tile 0", "whole number from 1")),
    ("train without NET", ("train",), ("NET is missing", "tassello train --help")),
    ("train without DATA", ("train", "mlp"), ("DATA is missing",)),
    ("eval without CHECKPOINT", ("eval",), ("CHECKPOINT is missing",)),
    ("one argument too many", ("train", "mlp", "data", "more"), ("unexpected", "more")),
    ("devices takes no argument", ("devices", "pocl"), ("unexpected", "pocl")),
    ("an option without its value", ("train", "mlp", "data", "--batch"), ("--batch",)),
    ("a value for a flag", ("devices", "--json=yes"), ("--json",)),
    ("--save to stdout", ("train", "mlp", "data", "--save", "-"), ("--save -",)),
    ("--log to stdout, but not by its path", ("train", "mlp", "data", "--log", "-"), ("--log -", "/dev/stdout")),
    ("a beginning of several options", ("train", "--b", "3"), ("--batch", "--budget", "--beta1")),
    ("a value for help", ("devices", "--help=yes"), ("--help",)),
    ("an empty --device", ("devices", "--device", ""), ("--device",)),
    ("verify --all --device", ("verify", "--all", "--device", "reference"), ("--all and --device",)),
    ("verify --cases abc", ("verify", "--cases", "abc"), ("--cases abc", "whole number")),
    ("--arith quick names the words", ("train", "mlp", "data", "--arith", "quick"), ("--arith quick", "exact", "fast")),
]
for _name, _arguments, _texts in USAGE:
    def usage(t, arguments=_arguments, texts=_texts):
        result = t.run(*arguments, status=2)
        expect(result.out == "", "stdout is not empty", result)
        result.says(*texts)
    case(f"usage: {_name}: status 2")(usage)


if __name__ == "__main__":
    sys.exit(main(__doc__))
