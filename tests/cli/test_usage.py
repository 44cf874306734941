#!/usr/bin/env python3
"""The command line itself: help, version, and what is wrong usage."""
import re
import sys

from common import case, COMMANDS, expect, main


@case("--help of the command and of each subcommand: stdout alone, status 0")
def _(t):
    top = t.run("--help")
    for name in COMMANDS:
        expect(re.search(rf"^  {name} ", top.out, re.M), f"{name} is not listed", top)
        result = t.run(name, "--help")
        expect(result.err == "" and result.out.startswith(f"Usage: tassello {name} "), "no help", result)
        expect(all(len(line) < 80 for line in result.out.splitlines()), "a line is too long", result)
        t.run(name, "--usage")
    for word in ("--batch=N", "--epochs=N", "--steps=N", "--lr=X", "--momentum=X", "--seed=N", "--save=FILE", "--log=FILE", "--json",
                 "--profile", "--device=ID", "--budget=SIZE", "--tile=N", "NET DATA"):
        expect(word in t.run("train", "--help").out, f"{word} is not in the help of train")
    expect("NET [DATA]\n" in t.run("plan", "--help").out, "plan does not say that DATA may be left out")
    expect("an fma is two" in t.run("inspect", "--help").out, "inspect does not say what a FLOP is")
    expect("An earlier FILE is replaced" in " ".join(t.run("train", "--help").out.split()), "--save does not say that it replaces FILE")


@case("--version names library, commit, compiler and contract")
def _(t):
    expect(re.search(r"^tassello \d+\.\d+\.\d+\ncommit \S+, built by .+\narithmetic contract \d+\n\Z", t.run("--version").out),
           "not the version", t.run("--version"))


USAGE = [
    ("no subcommand", (), ("Usage: tassello COMMAND",)),
    ("an unknown subcommand", ("trian",), ("trian", "devices, inspect, plan, train, sweep, eval, verify")),
    ("an empty subcommand", ("",), ("devices, inspect, plan, train, sweep, eval, verify",)),
    ("an option before the subcommand", ("--json", "devices"), ("--json",)),
    ("an unknown option", ("train", "--bogus"), ("--bogus", "tassello train --help")),
    ("an unknown short option", ("train", "-z"), ("z", "tassello train --help")),
    ("inspect without NET", ("inspect",), ("NET is missing",)),
    ("plan without NET", ("plan",), ("NET is missing", "tassello plan --help")),
    ("an argument too many behind one that is optional", ("plan", "mlp", "data", "more"), ("more", "one argument too many")),
    ("plan --tile 0", ("plan", "mlp", "--tile", "0"), ("--tile 0", "whole number from 1")),
    ("train without NET", ("train",), ("NET is missing", "tassello train --help")),
    ("train without DATA", ("train", "mlp"), ("DATA is missing",)),
    ("eval without CHECKPOINT", ("eval",), ("CHECKPOINT is missing",)),
    ("one argument too many", ("train", "mlp", "data", "more"), ("more", "one argument too many")),
    ("devices takes no argument", ("devices", "pocl"), ("pocl", "one argument too many")),
    ("an option without its value", ("train", "mlp", "data", "--batch"), ("--batch",)),
    ("a value for a flag", ("devices", "--json=yes"), ("--json",)),
    ("an empty --device", ("devices", "--device", ""), ("--device",)),
    ("verify --all --device", ("verify", "--all", "--device", "reference"), ("--all and --device",)),
    ("verify --cases abc", ("verify", "--cases", "abc"), ("--cases abc", "whole number")),
    ("--arith quick names the words", ("train", "mlp", "data", "--arith", "quick"), ("--arith quick", "exact fast")),
]
for _name, _arguments, _texts in USAGE:
    def usage(t, arguments=_arguments, texts=_texts):
        result = t.run(*arguments, status=2)
        expect(result.out == "", "stdout is not empty", result)
        result.says(*texts)
    case(f"usage: {_name}: status 2")(usage)


if __name__ == "__main__":
    sys.exit(main(__doc__))
