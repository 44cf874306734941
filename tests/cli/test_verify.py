#!/usr/bin/env python3
"""tassello verify."""
import json
import re
import sys
import time

from common import case, expect, main, one_object

VERIFY = ("verify", "--device", "reference", "--cases", "1")


@case("verify --device reference: rows, then the digest that is stated, then the count; status 0")
def _(t):
    result = t.run(*VERIFY)
    end = re.search(r"^digest ([0-9a-f]{64})\n(?:.*\n)*?\d+ passed, 0 failed, \d+ skipped\n\Z", result.out, re.M)
    expect(end and "  ok " in result.out and "FAILED" not in result.out, "not the end of a verification", result)
    expect(result.err == "", "words on stderr", result)


@case("verify --json FILE and -: one object; - leaves nothing else on stdout")
def _(t):
    path = t.place() / "v.json"
    written = t.run(*VERIFY, "--json", path)
    expect("digest " in written.out, "no rows on stdout", written)
    o, seen = json.loads(path.read_text()), t.run(*VERIFY, "--json", "-")
    p = one_object(seen)
    seen.says("digest ")
    for one in (o, p):
        expect(one["passed"] == 1 and one["failed"] == 0 and one["devices"][0]["id"] == "reference", f"{one}")
        expect(one["devices"][0]["digests"] == one["stated_digests"], f"{one}")
    expect(path.read_text().count("\n") == 1, "not one line")


@case("verify: the digest does not depend on --seed and --cases")
def _(t):
    digests = {re.search(r"^digest (\w{64})$",
                         t.run("verify", "--device", "reference", "--cases", c, "--seed", s, status=None).out, re.M)[1]
               for c, s in ((0, 1), (2, 99))}
    expect(len(digests) == 1, f"{digests}")


@case("verify --op NAME[,NAME...]: these rows alone, and no digest; 'training' stands for the trainings")
def _(t):
    def rows(*args):
        o = one_object(t.run(*VERIFY, "--json", "-", *args))["devices"][0]
        return [row["operation"] for row in o["rows"]], o["digests"]

    expect(rows("--op", "sgd,conv_forward", "--op=sgd") == (["conv_forward", "sgd"], []), "other rows than named")
    names, digests = rows("--op", "training,add")
    expect(names[0] == "add" and len(names) == 3 and len(digests) == 2, f"{names} {digests}")
    expect("digest" not in t.run(*VERIFY, "--op", "add").out, "a digest, though no training was run")


@case("verify --op: an unknown name is wrong usage, with a suggestion")
def _(t):
    t.fails(2, ("--op conv_forwrad", "unknown operation; did you mean conv_forward?"), *VERIFY, "--op",
            "add,conv_forwrad")
    t.fails(2, ("--op zzzz", "unknown operation"), *VERIFY, "--op", "zzzz")
    t.fails(2, ("--op ,",), *VERIFY, "--op", ",")


@case("verify --case NAME: one case of one operation; what is no case is refused")
def _(t):
    one = one_object(t.run(*VERIFY, "--json", "-", "--op", "dense_forward", "--case", "1:3:n=1,size0=5"))
    row = one["devices"][0]["rows"][0]
    expect((row["passed"], row["failed"], row["failure"]) == (1, 0, None), f"{row}")
    t.fails(2, ("--case 1:3", "--op"), *VERIFY, "--case", "1:3")
    t.fails(2, ("--case 1:3", "--op"), *VERIFY, "--case", "1:3", "--op", "add,sgd")
    for name, word in (("1:3:n=100", "no such shape"), ("1:x", "expected SEED:NUMBER"), ("1:63", "no edge shape")):
        t.run(*VERIFY, "--op", "dense_forward", "--case", name, status=1).says(name, word)


@case("verify --time TIME: cases of all operations in turn, for that time; their number is printed")
def _(t):
    began = time.monotonic()
    result = t.run("verify", "--device", "reference", "--time", "2s", "--json", "-")
    took, one = time.monotonic() - began, one_object(result)["devices"][0]
    expect(1.9 < took < 20, f"took {took:.1f} s")
    counts = {row["operation"]: row["passed"] for row in one["rows"]}
    expect(sum(counts.values()) == one["cases"] and one["digests"] == [], f"{one['cases']} {counts}")
    expect(len(counts) > 80 and min(counts.values()) > 0, f"{counts}")  # some hundred each, where nothing else runs
    # Those with few edge shapes have fewer cases than those with many, but never less than half.
    expect(max(counts.values()) <= 2 * min(counts.values()) + 4, f"{counts}")
    result.says(f"{one['cases']} cases of operations")
    expect(" left" not in result.err, "progress, though it was short", result)


@case("verify --time and others: a time that is none, and --case, are wrong usage")
def _(t):
    t.fails(2, ("--time 0s", "expected a time"), *VERIFY, "--time", "0s")
    t.fails(2, ("--time 5x", "expected a time"), *VERIFY, "--time", "5x")
    t.fails(2, ("--time", "--case"), *VERIFY, "--time", "5s", "--op", "add", "--case", "1:1")


@case("verify --time on a terminal: a line with cases, rate and the time left, which is wiped before the rows")
def _(t):
    shown = t.terminal("verify", "--device", "reference", "--time", "2s", "--op", "add,sgd")
    expect(re.search(r"\d+ cases, \d+/s  (add|sgd)  0:0\d, about 0:0\d left", shown), f"{shown!r}")
    expect("\r\x1b[K  ok  " in shown and shown.endswith("0 skipped\r\n"), f"{shown!r}")


@case("verify --gradients: rows of kinds of layers and of losses beside the others, each with its largest error")
def _(t):
    result = t.run(*VERIFY, "--op", "add", "--gradients", "--json", "-")
    rows = one_object(result)["devices"][0]["rows"]
    expect(rows[0]["operation"] == "add" and {row["provider"] for row in rows[1:]} == {"gradient"}, f"{rows}")
    names = {row["operation"] for row in rows[1:]}
    expect({"gradient of conv2d", "gradient of gelu", "gradient of loss huber"} < names, f"{names}")
    expect(all(0 < row["worst_error"] <= 1 and row["status"] == "tolerance" for row in rows[1:]), f"{rows}")
    result.says("gradient of batch_norm", "of the bound")
    alone = one_object(t.run(*VERIFY, "--op", "gradients", "--json", "-"))["devices"][0]["rows"]
    expect([row["operation"] for row in alone] == [row["operation"] for row in rows[1:]], f"{alone}")


@case("verify --all without a driver: the reference's row, and the count")
def _(t):
    out = t.run("verify", "--all", "--cases", "0").out
    expect(re.search(r"^ok +reference .*\n1 passed, 0 failed, 0 skipped\n\Z", out, re.M), f"{out}")


@case("verify --json into a missing folder: status 1, before the work")
def _(t):
    t.fails(1, ("--json /no/such/x", "No such file"), *VERIFY, "--json", "/no/such/x")
    t.run(*VERIFY, "--json", "/dev/full", status=1).says("--json /dev/full", "No space left")


if __name__ == "__main__":
    sys.exit(main(__doc__))
