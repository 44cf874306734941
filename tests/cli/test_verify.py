#!/usr/bin/env python3
"""tassello verify."""
import json
import re
import sys

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
        expect(one["passed"] == 1 and one["failed"] == 0 and one["devices"][0]["device"] == "reference", f"{one}")
        expect(one["devices"][0]["digests"] == one["stated_digests"], f"{one}")
    expect(path.read_text().count("\n") == 1, "not one line")


@case("verify: the digest does not depend on --seed and --cases")
def _(t):
    digests = {re.search(r"^digest (\w{64})$",
                         t.run("verify", "--device", "reference", "--cases", c, "--seed", s, status=None).out, re.M)[1]
               for c, s in ((0, 1), (2, 99))}
    expect(len(digests) == 1, f"{digests}")


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
