#!/usr/bin/env python3
"""The self-test of a device: an operation is tested before a network first runs it there, what passed is remembered,
and what is built is shown. Kernels are made wrong by rules of the fault layer ($TASSELLO_FAULT_LAYER).
"""

import os
import re
import sys

from common import below_layer, count_calls, Skip, case, expect, main, one_object

LAUNCH = "clEnqueueNDRangeKernel"
DENSE = "input 1x8x8\ndense 8\nrelu\ndense 4\n"
POOL = "input 1x8x8\nconv2d 2 3\nmax_pool 2\nflatten\ndense 4\n"
FAILED = "failed its self-test: its results differ from the reference: "
FASHION = "/usr/share/datasets/fashion-mnist"


def wrong(kernel, argument):
    """Each launch of the kernel leaves a wrong bit in its argument."""
    return f"call={LAUNCH};kernel={kernel};nth=1;times=0;every=1;corrupt={argument};at=0"


def net_of(t, text):
    net = t.place() / "a net.net"
    net.write_text(text)
    return net


def record_of(env):
    """The lines that are remembered of the device, after its name."""
    files = [f for f in os.listdir(env["XDG_CACHE_HOME"] + "/tassello") if f.startswith("tested-")]
    expect(len(files) == 1, f"{files}")
    with open(env["XDG_CACHE_HOME"] + "/tassello/" + files[0], encoding="ascii") as file:
        lines = file.read().splitlines()
    expect(lines[0] == "tassello self-test 1" and lines[1].startswith("pocl"), f"{lines}")
    return lines[2:]


def tested(env):
    """The operations that passed in whole launches."""
    return {line.split()[0] for line in record_of(env)[1:]} - {"pieces"}


def cut_in(env):
    """The operations of which launches cut into pieces were tested."""
    return [line.split()[1] for line in record_of(env) if line.startswith("pieces ")]


def counted(t, env, *words, **more):
    return count_calls(t, env, lambda logged: t.train("--steps", "1", *words, device="pocl", env=logged, **more))


@case("a network's operations are tested, and no others", needs="pocl")
def _(t):
    env = below_layer(t)
    digest = t.train("--steps", "3", net=net_of(t, DENSE), device="pocl", env=env).digest()
    expect(digest == t.train("--steps", "3", net=net_of(t, DENSE)).digest(), "another digest")
    expect(record_of(env)[0] == "untested", f"{record_of(env)}")
    expect(tested(env) == {
        "gather_bytes", "dense_forward", "dense_backward_input",
        "softmax_loss", "sum_blocks", "watch", "dense_check", "dense_sgd",
        "check_finite"}, f"{sorted(tested(env))}")
    t.train("--steps", "3", net=net_of(t, POOL), device="pocl", env=env)
    expect({"max_pool_forward", "max_pool_backward", "conv_forward"} <= tested(env), f"{sorted(tested(env))}")


@case("an operation that is wrong is refused when a network needs it, and stops no other network", needs="pocl")
def _(t):
    dense, pool = net_of(t, DENSE), net_of(t, POOL)
    plain = t.train("--steps", "3", net=dense).digest()
    for kernel, operation, argument in (("max_pool_forward", "max_pool_forward", 1),
                                        ("max_pool_backward_apart", "max_pool_backward", 2)):
        env = below_layer(t, wrong(kernel, argument))
        t.fails(1, ["pocl: " + FAILED + operation + ": "], "train", pool, t.data, "--device", "pocl", env=env)
        expect(record_of(env)[0] == "refused " + operation, f"{record_of(env)}")
        expect(operation not in tested(env), f"{tested(env)}")
        rows = one_object(t.run("devices", "--json", env=env))["devices"]
        expect(rows[0]["id"] == "pocl" and rows[0]["tier"] == "refused", f"{rows[0]}")
        expect(t.train("--steps", "3", net=dense, device="pocl", env=env).digest() == plain, "another digest")
        t.fails(1, ["pocl: " + FAILED + operation + ": "], "train", pool, t.data, "--device", "pocl", env=env)
        mended = {**env, "TASSELLO_FAULT": ""}
        t.train("--steps", "3", net=pool, device="pocl", env=mended)
        expect(record_of(env)[0] == "untested" and operation in tested(env), f"{record_of(env)}")


@case("a device that is wrong for the network is skipped if none was asked for", needs="pocl")
def _(t):
    pool, dense = net_of(t, POOL), net_of(t, DENSE)
    env = below_layer(t, wrong("max_pool_backward_apart", 2))
    result = t.train("--steps", "3", net=pool, device=None, env=env)
    result.says("skipping pocl: pocl: " + FAILED + "max_pool_backward: ", "using the C reference")
    expect(result.digest() == t.train("--steps", "3", net=pool).digest(), "another digest")
    expect("device       pocl" in t.train("--steps", "3", net=dense, device=None, env=env).out, "not chosen")


@case("what only training needs does not stop an evaluation; what a run adds to the network is tested too",
      needs="pocl")
def _(t):
    pool, saved = net_of(t, POOL), t.place() / "saved"
    t.train("--steps", "3", "--save", saved, net=pool)
    backward = below_layer(t, wrong("max_pool_backward_apart", 2))
    last = [t.run("eval", saved, t.data, "--device", device, env=backward).out.splitlines()[-1]
            for device in ("pocl", "reference")]
    expect(last[0] == last[1], f"{last}")
    forward = below_layer(t, wrong("max_pool_forward", 1))
    t.fails(1, [FAILED + "max_pool_forward: "], "eval", saved, t.data, "--device", "pocl", env=forward)
    for kernel, operation, argument in (("adam", "adam", 2), ("gather_bytes", "gather_bytes", 4),
                                        ("watch", "watch", 3)):
        env = below_layer(t, wrong(kernel, argument))
        t.train("--steps", "3", "--optimizer", "adam", net=pool, device="pocl", env=env,
                status=1).says("pocl: " + FAILED + operation + ": ")


@case("what passed is not tested again, but with another version of the driver or of the record", needs="pocl")
def _(t):
    net, env = net_of(t, DENSE), below_layer(t)
    _, first = counted(t, env, net=net)
    lines = record_of(env)
    _, second = counted(t, env, net=net)
    expect(first[LAUNCH] > 5 * second[LAUNCH], f"{first[LAUNCH]} {second[LAUNCH]}")
    expect(record_of(env) == lines, "the record has changed")
    folder = env["XDG_CACHE_HOME"] + "/tassello"
    for name in os.listdir(folder):
        if not name.startswith("tested-"):
            continue
        with open(folder + "/" + name, encoding="ascii") as file:
            text = file.read()
        with open(folder + "/" + name, "w", encoding="ascii") as file:
            file.write(text.replace("self-test 1", "self-test 0"))
    _, older = counted(t, env, net=net)
    expect(older[LAUNCH] > 5 * second[LAUNCH], f"another version: {older[LAUNCH]}")
    t.run("verify", "--device", "pocl", "--op", "relu_forward", env=env)
    expect(record_of(env) == lines, "a part of verify has changed the record")
    _, other = counted(t, {**env, "TASSELLO_FAULT_DRIVER": "9.9"}, net=net)
    expect(other[LAUNCH] > 5 * second[LAUNCH], f"another driver: {other[LAUNCH]}")


@case("mlp builds the kernels that it needs, each once; the test is of them alone", needs="pocl")
def _(t):
    if not os.path.isdir(FASHION):
        raise Skip("no dataset-fashion-mnist")
    env = below_layer(t, TASSELLO_FAULT_VECTOR_WIDTH="8")  # on which the choice of products depends
    _, calls = counted(t, env, net="mlp", data=FASHION)
    # Programs: dense and its update twice, loss, sums, feed, watch; and one again in the end, if it took long,
    # to see if the driver has a cache. One kernel, softmax_loss, is only asked for the size of its groups.
    expect(calls["clCreateProgramWithSource"] in (4, 5) and calls["clCreateKernel"] == 12, f"{calls}")
    _, again = counted(t, env, net="mlp", data=FASHION)
    expect(again["clCreateKernel"] == 12, f"{again}")
    expect(not cut_in(env), f"{cut_in(env)}")
    gpu = below_layer(t, TASSELLO_FAULT_TYPE="4", TASSELLO_FAULT_VECTOR_WIDTH="1")
    t.train("--steps", "1", device="pocl-gpu", env=gpu, net="mlp", data=FASHION)
    expect(cut_in(gpu) == ["dense_forward", "dense_forward"], f"{cut_in(gpu)}")


@case("devices --net tests all operations, after which none is tested again", needs="pocl")
def _(t):
    env = below_layer(t)
    rows = one_object(t.run("devices", "--net", net_of(t, DENSE), "--json", env=env))["devices"]
    expect(rows[0]["id"] == "pocl" and rows[0]["tier"] == "exact", f"{rows[0]}")
    expect(record_of(env) == ["exact"], f"{record_of(env)}")
    _, run = counted(t, env, net=net_of(t, POOL))
    expect(record_of(env) == ["exact"] and run[LAUNCH] < 100, f"{run[LAUNCH]}")
    wrong_pool = {**env, "TASSELLO_FAULT": wrong("max_pool_forward", 1), "XDG_CACHE_HOME": str(t.place())}
    rows = one_object(t.run("devices", "--net", net_of(t, DENSE), "--json", env=wrong_pool))["devices"]
    expect(rows[0]["tier"] == "refused" and FAILED + "max_pool_forward" in rows[0]["note"], f"{rows[0]}")


@case("builds are shown: a line on a terminal, notes elsewhere, nothing if nothing is built", needs="pocl")
def _(t):
    net = net_of(t, DENSE)
    slow = "call=clBuildProgram;nth=1;times=0;pause=1100"
    words = ("train", net, t.data, "--steps", "1", "--device", "pocl")
    line = r"building and testing kernels for pocl: \w+ \((\d+) of (\d+)\)"
    shown = re.findall(r"\r\x1b\[K" + line, t.terminal(*words, env=below_layer(t, slow)))
    expect(len(shown) >= 2 and all(int(number) <= int(count) for number, count in shown), f"{shown}")
    folder = t.place()
    result = t.run(*words, env=below_layer(t, slow, folder))
    expect(re.search("^tassello: note: " + line + "$", result.err, re.M), "no note", result)
    result = t.run(*words, env=below_layer(t, "", folder))
    expect("building" not in result.err, "a note although nothing is built", result)
    seen = t.terminal(*words, env=below_layer(t, "", folder))
    expect("building" not in seen, f"a line although nothing is built: {seen}")


if __name__ == "__main__":
    sys.exit(main(__doc__))
