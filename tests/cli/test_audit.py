#!/usr/bin/env python3
"""train --audit: what it is asked for, what it prints, and that it finds a kernel that is wrong once in a thousand
launches (a rule of the fault layer, $TASSELLO_FAULT_LAYER).
"""

import json
import re
import shlex
import sys

from common import below_layer, POCL_ICD, case, expect, main, one_object

LAUNCH = "clEnqueueNDRangeKernel"
NET = "input 1x8x8\ndense 24\nrelu\ndense 4\n"


def below(t, net, fault=""):
    """A network's first use of a device has launches of its own, which rules would count; and what other tests find
    wrong of the same device is tested again."""
    env = below_layer(t)
    t.train("--steps", "1", net=net, device="pocl", env=env)
    return {**env, "TASSELLO_FAULT": fault}


def wrong(kernel, nth, argument, **more):
    keys = {"call": LAUNCH, "kernel": kernel, "nth": nth, "corrupt": argument, **more}
    return ";".join(f"{key}={value}" for key, value in keys.items())


def net_of(t):
    net = t.place() / "a net.net"
    net.write_text(NET)
    return net


@case("train --audit: the options that it refuses")
def _(t):
    for value in ("5", "0%", "101%", "always", "step:0", "step:x", "1%,", ""):
        t.fails(2, ["--audit"], "train", t.net, t.data, f"--audit={value}")
    t.fails(2, ["a share or a step"], "train", t.net, t.data, "--audit=1%,step:3")
    t.fails(2, ["--batch grow"], "train", t.net, t.data, "--batch", "grow", "--audit")
    t.fails(2, ["reference: cannot be audited"], "train", t.net, t.data, "--device", "reference", "--audit")
    t.fails(2, ["unexpected argument 5%"], "train", t.net, t.data, "--audit", "5%")


@case("an audited run has the same digest, and says what was audited, for people and as JSON", needs="pocl")
def _(t):
    pocl = {"OCL_ICD_VENDORS": POCL_ICD}
    plain = t.train("--steps", "40", device="pocl", env=pocl).digest()
    result = t.train("--steps", "40", "--audit=100%", "--tile", "7", device="pocl", env=pocl)
    expect(result.digest() == plain, "another digest", result)
    line = re.search(r"^audit        (\d+) of 40 steps, (\d+) operations, 0 different; \d+\.\d % of the time$",
                     result.out, re.M)
    expect(line and int(line[1]) >= 25 and int(line[2]) >= 9 * int(line[1]), "no line of the audit", result)
    audit = one_object(t.train("--steps", "40", "--audit", "--json", device="pocl", env=pocl))["audit"]
    expect(audit["steps"] >= 1 and audit["different"] == 0 and audit["first"] is None, f"{audit}")
    expect(0 < audit["share"] < 1, f"{audit}")


@case("a kernel that is wrong once in a thousand launches is found, and --save has what came before", needs="pocl")
def _(t):
    net, place = net_of(t), t.place()
    more = ("--steps", "500", "--audit=100%", "--log", place / "log", "--save", place / "saved")
    # Launches 1 and 2 are those of the step before the first, two belong to each step: 901 is the first of step 450.
    fault = wrong("dense_forward", 901, 4, every=1000, at=0)
    result = t.train(*more, net=net, device="pocl", env=below(t, net, fault), status=1)
    result.says("audit: step 450 (", "dense_forward: y[0] of 2.relu", "1 of 384 elements differ",
                "written with the last good weights, those of step 449")
    last = json.loads((place / "log").read_text().splitlines()[-1])["result"]
    found = last["audit"]["first"]
    expect(last["error"] == "TAS_MISMATCH" and last["weights_step"] == 449, f"{last}")
    expect((found["step"], found["operation"], found["operand"], found["tensor"], found["element"]) ==
           (450, "dense_forward", "y", "2.relu", 0), f"{found}")
    expect(int(found["bits"], 16) ^ int(found["reference_bits"], 16) == 1 and found["ulp"] == 1, f"{found}")
    t.train("--steps", "449", "--save", place / "right", net=net, device="pocl", env=below(t, net))
    digests = [t.run("eval", place / name, t.data, "--device", "reference").digest() for name in ("saved", "right")]
    expect(digests[0] == digests[1], f"{digests}")


@case("the command that a difference names repeats it", needs="pocl")
def _(t):
    net, fault = net_of(t), wrong("dense_sgd_near", 61, 3)  # step 30; two belong to each
    result = t.train("--steps", "60", "--audit=100%", net=net, device="pocl", env=below(t, net, fault), status=1)
    command = re.search(r"this repeats that step: tassello (train .* --audit=step:30)$", result.err, re.M)
    expect(command, "no command", result)
    again = t.run(*shlex.split(command[1]), env=below(t, net, fault), status=1)
    expect(re.findall(r"audit: step 30 .*", again.err) == re.findall(r"audit: step 30 .*", result.err),
           "another difference", again)
    t.run(*shlex.split(command[1]), env=below(t, net))  # without the fault


@case("--audit=continue: differences are counted and the run goes on", needs="pocl")
def _(t):
    fault = wrong("dense_sgd_near", 41, 3, every=20)
    net = net_of(t)
    result = t.train("--steps", "60", "--audit=100%,continue", "--json", net=net, device="pocl",
                     env=below(t, net, fault))
    audit = one_object(result)["audit"]
    expect(audit["different"] == 5 and audit["first"]["step"] == 20, f"{audit}")
    expect(result.err.count("note: audit: step ") == 5, "not five notes", result)


@case("a run that goes on from a file is audited, and goes back to it", needs="pocl")
def _(t):
    net, place = net_of(t), t.place()
    t.train("--steps", "20", "--save", place / "a", net=net, device="pocl", env=below(t, net))
    fault = wrong("dense_sgd_near", 11, 3)  # the fifth step after the file
    result = t.train("--steps", "60", "--resume", place / "a", "--audit=step:25", "--save", place / "b", net=net,
                     device="pocl", env=below(t, net, fault), status=1)
    result.says("audit: step 25 (the whole batch): dense_sgd", "those of step 20", "--resume")
    digests = [t.run("eval", place / name, t.data, "--device", "reference").digest() for name in "ab"]
    expect(digests[0] == digests[1], f"{digests}")


if __name__ == "__main__":
    sys.exit(main(__doc__))
