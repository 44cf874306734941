#!/usr/bin/env python3
"""Drivers that refuse, lie and fail: what the fault layer (fault_layer.c) counts, and whether a training survives what
it does.

    test_faults.py TASSELLO LAYER DRIVER [WORD]...    the cases of DRIVER whose names hold a WORD; all without one

A training that is disturbed must end with the digest of the undisturbed one and say so in one note; where that cannot
be, it must end with status 1 and a message, and leave the file of --save alone. Nothing may be leaked either way.
Where a fault shall happen is read off the undisturbed run's calls. Prints and logs as cli/common.py does. Exit status
0; 1 where a case failed; 77 where the driver is not there.
"""

import itertools
import json
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from cli.common import Skip, Tool, attempt, expect, leftovers, make_set, one_object

DRIVERS = {
    "pocl": {"OCL_ICD_VENDORS": "/etc/OpenCL/vendors/pocl.icd"},
    "rusticl": {"OCL_ICD_VENDORS": "/etc/OpenCL/vendors/rusticl.icd", "RUSTICL_ENABLE": "llvmpipe"},
}
NETS = {
    "pocl": {"dense": "input 1x28x28\ndense 32\nrelu\ndense 10\n"},
    "rusticl": {"dense": "input 1x28x28\ndense 4\nrelu\ndense 10\n"},  # its fma is software
}
# For the case of its own that asks for it; few fma, for rusticl's sake.
CONV = (
    "input 1x28x28\nconv2d 4 5 stride 3\nrelu\nmax_pool 2\nconv2d 6 3 groups 2\nrelu\ndropout 0.25\nflatten\ndense 10\n"
)
BATCH, STEPS = 64, 6  # 240 examples: 4 steps an epoch, the last of them with 48
RUN = ("--batch", BATCH, "--steps", STEPS, "--json")
ADAMS, LAMBS = "adam", "lamb_step"
UPDATES = ("sgd", "dense_sgd", "dense_sgd_near", ADAMS, LAMBS)  # the kernels with which a step ends
ADAM, LAMB = ", Adam", ", LAMB"  # of a net: trained by it
OPTIMIZERS = {
    ADAM: ("--optimizer", "adamw", "--weight-decay", "0.1"),
    LAMB: ("--optimizer", "lamb", "--weight-decay", "0.1", "--decay-on", "weights", "--clip", "0.5"),
}
STREAMED = ", streamed"  # of a net: with so little memory that the set does not stay on the device
LAUNCH = "clEnqueueNDRangeKernel"
CODES = {
    -4: "CL_MEM_OBJECT_ALLOCATION_FAILURE",
    -5: "CL_OUT_OF_RESOURCES",
    -6: "CL_OUT_OF_HOST_MEMORY",
    -11: "CL_BUILD_PROGRAM_FAILURE",
}
FASHION = Path("/usr/share/datasets/fashion-mnist")
CASES = []


def case(name, *drivers, streams=False):
    """A case of these drivers (of PoCL without any); once for each of their nets, if it takes one, and each
    streamed."""

    def add(function):
        CASES.append((name, function, drivers or ("pocl",), streams))
        return function

    return add


# ------------------------------------------------------------------------------------------------------- running it


def device_bytes(told):
    """What of the peak the layer sees: these devices share the host's memory, which counts as well."""
    return told["peak_bytes"] - told["host_bytes"]


class Plain:
    """An undisturbed run, and what is where among its calls. Launches count from 1, as rules count them."""

    def __init__(self, result, counted, updates=1):
        self.json, self.counted, self.trace = one_object(result), counted, counted["trace"]
        self.sha256, self.told = self.json["weights_sha256"], self.json["peak_bytes"]
        self.peak = device_bytes(self.json)
        self.places = [n for n, name in enumerate(self.trace) if not name.startswith("cl")]
        self.launches = [self.trace[n] for n in self.places]
        self.update = next(name for name in self.launches if name in UPDATES)
        self.ends = [n for n, name in enumerate(self.launches, 1) if name == self.update]
        self.updates = updates  # launches of one step's update
        creates = [n for n, name in enumerate(self.trace) if name == "clCreateBuffer"]
        self.workspace = creates[1]  # places in the trace: the first buffer is the model's, the second the training's
        self.trained = len(self.trace) - self.trace[::-1].index(self.update)

    def step(self, s):
        """The launches of step s; 0: of all that comes before step 1."""
        before = len(self.ends) - STEPS * self.updates
        ends = [0, self.ends[before - 1] if before else 0, *self.ends[before + self.updates - 1 :: self.updates]]
        return range(ends[s] + 1, ends[s + 1] + 1)

    def calls_of_step(self, s, *names):
        """(call, which) of the calls of these names in step s."""
        begin, end = self.places[self.step(s)[0] - 2] + 1, self.places[self.step(s)[-1] - 1] + 1
        return [(name, n) for name in names for n in self.calls(name, begin, end)]

    def after(self):
        """The launches that follow the last update."""
        return range(self.ends[-1] + 1, len(self.launches) + 1)

    def calls(self, name, begin=0, end=None):
        """Which of the calls of that name lie between these places in the trace."""
        before = self.trace[:begin].count(name)
        return range(before + 1, before + self.trace[begin:end].count(name) + 1)


class Faulty(Tool):
    """The command below the layer."""

    def __init__(self, program, layer, driver):
        super().__init__(program)
        self.layer, self.driver = str(Path(layer).resolve()), driver
        self.images = make_set(self.root / "images", size=28, classes=10)
        self.nets, self.known, self.lock, self.numbers = {}, {}, threading.RLock(), itertools.count()
        for name, text in NETS[driver].items():
            self.nets[name] = self.root / f"{name}.net"
            self.nets[name].write_text(text)
        self.files = {**self.nets, "conv": self.root / "conv.net"}
        self.files["conv"].write_text(CONV)

    def below(self, *arguments, fault="", status=0, timeout=30, cwd=None, **variables):
        """The result, and what the layer counted; None where no loader asked it."""
        log = self.root / f"counted {next(self.numbers)}"
        env = {
            **DRIVERS[self.driver],
            "OPENCL_LAYERS": self.layer,
            "TASSELLO_FAULT": fault,
            "TASSELLO_FAULT_LOG": str(log),
            "TASSELLO_FAULT_TRACE": "1",
            **{f"TASSELLO_FAULT_{key}": str(value) for key, value in variables.items()},
        }
        result = self.run(*arguments, status=status, env=env, timeout=timeout, cwd=cwd)
        counted = json.loads(log.read_text()) if log.exists() else None
        log.unlink(missing_ok=True)
        return result, counted

    def train_below(self, net, *arguments, **more):
        if net.endswith(STREAMED):
            images = sum(file.stat().st_size for file in Path(self.images).glob("train-images*"))
            more = {"GLOBAL": 2 * (self.plain(net.removesuffix(STREAMED)).told - images), **more}  # no room for the set
        net = net.removesuffix(STREAMED)
        optimizer = next((own for name, own in OPTIMIZERS.items() if net.endswith(name)), ())
        result, counted = self.below(
            "train",
            self.files[net.removesuffix(ADAM).removesuffix(LAMB)],
            self.images,
            "--device",
            self.driver,
            *RUN,
            *optimizer,
            *arguments,
            **more,
        )
        expect(counted, "the layer was not asked", result)
        left = {key: count for key, count in counted["left"].items() if count}
        expect(
            not left and not counted["current_bytes"], f"not released: {left}, {counted['current_bytes']} bytes", result
        )
        return result, counted

    def steady(self, net, *arguments):
        """An undisturbed run that launches what the one before it did: one of more than two seconds, on a busy machine,
        takes a snapshot, whose launches come between the others."""
        before = None
        for _ in range(8):
            run = Plain(*self.train_below(net, *arguments))
            if before and run.launches == before.launches:
                return run
            before = run
        raise AssertionError("no two undisturbed runs in a row launch the same")

    def plain(self, net):
        """The undisturbed run, made once. How many launches an update has is seen from a run that is a step shorter."""
        with self.lock:
            expect(
                net not in self.known or self.known[net],
                "the undisturbed run failed: see the first case that asked for it",
            )
            if net not in self.known:
                self.known[net] = None
                self.train_below(net, timeout=500)  # builds kernels and tests the device
                longer, shorter = self.steady(net), self.steady(net, "--steps", STEPS - 1)
                longer.updates = len(longer.ends) - len(shorter.ends)
                self.known[net] = longer
            return self.known[net]

    def survive(self, net, fault="", *arguments, notes=(1,), **variables):
        """Ends with the digest of the undisturbed run, and so many notes."""
        plain = self.plain(net)
        result, counted = self.train_below(net, *arguments, fault=fault, **variables)
        told = notes_of(result)
        done = one_object(result)
        expect(counted["faults"] > 0 or not fault, "the fault did not happen", result)
        expect(done["weights_sha256"] == plain.sha256, "another digest", result)
        expect(done["steps"] == STEPS and done["accuracy"] == plain.json["accuracy"], "another result", result)
        expect(len(told) in notes, f"{len(told)} notes, expected {notes}", result)
        expect("tassello train:" not in result.err, "an error is told", result)
        return result, counted

    def survive_or_give_up(self, net, fault, *texts):
        """Either will do; no other end."""
        try:
            self.survive(net, fault, notes=(0, 1))
        except AssertionError as error:
            if "another digest" in str(error):
                raise
            self.give_up(net, fault, *texts)

    def give_up(self, net, fault="", *texts, **variables):
        """Ends with status 1 and a message that has one of these texts; an earlier checkpoint stays, unless the run
        had a snapshot of some step (on a slow machine)."""
        folder = self.place()
        saved = self.checkpoint(folder / "saved").read_bytes()
        result, counted = self.train_below(net, "--save", folder / "saved", fault=fault, status=1, **variables)
        errors = [line for line in result.err.splitlines() if line.startswith("tassello train: ")]
        expect(counted["faults"] > 0 or not fault, "the fault did not happen", result)
        expect(result.out == "", "stdout is not empty", result)
        expect(errors and any(text in errors[0] for text in texts), f"no error that says one of {texts}", result)
        if not any("written with the last good weights" in line for line in errors):
            expect((folder / "saved").read_bytes() == saved, "the file of --save is another", result)
            expect(len(errors) == 1 or f"{folder / 'saved'}: not written" in errors[1], f"{errors}", result)
        expect(len(errors) <= 2, f"{errors}", result)
        expect(not leftovers(folder, "saved"), f"left behind: {leftovers(folder, 'saved')}", result)
        return result, counted


def notes_of(result):
    return [line for line in result.err.splitlines() if "note: " in line and "note: building" not in line]


def each(tries):
    """Runs a function for each label; those that failed are named, with what the first of them saw."""
    failed, first = [], ""
    for label, function in tries:
        try:
            function()
        except AssertionError as error:
            first = first or str(error)
            failed.append(str(label))
    expect(not failed, f"{len(failed)} of {len(tries)} failed: {'; '.join(failed)}\nthe first: {first}")


def rule(call, nth=1, code=-5, **more):
    return ";".join(f"{key}={value}" for key, value in {"call": call, "nth": nth, "code": code, **more}.items())


def survivals(t, net, call, places, code, notes=(1,), **more):
    """A run for each place, where that call goes wrong: what each() takes."""
    names = t.plain(net).launches if call == LAUNCH else None
    return [
        (
            f"{call} {n}{f' ({names[n - 1]})' if names else ''}",
            partial(t.survive, net, rule(call, n, code, **more), notes=notes),
        )
        for n in places
    ]


def survive_calls(t, net, places, code, **more):
    """The same for (call, which) pairs."""
    each([one for call, n in places for one in survivals(t, net, call, [n], code, **more)])


def survive_each(*arguments, **more):
    each(survivals(*arguments, **more))


def some(places):
    """The first, one in the middle and the last."""
    return sorted({places[0], places[len(places) // 2], places[-1]})


def launches(t, net):
    """The launches of step 3; below a sanitizer, which sees no more in the others, the first of each kernel."""
    plain = t.plain(net)
    first = {plain.launches[n - 1]: n for n in reversed(plain.step(3))}
    return sorted(first.values()) if t.sanitized else plain.step(3)


# ---------------------------------------------------------------------------------------------------------- counting


@case("the layer ends a program when it does not know what is meant")
def _(t):
    for fault in ("call=clNothing", "nth=1", "call=clFinish;color=1", "call=clFinish;nth=x", "call=clFinish;nth=0"):
        t.below("devices", fault=fault, status=-signal.SIGABRT)[0].says("fault layer: ")


@case("drivers that fail to list platforms or devices: a row with the error, and every message says why")
def _(t):
    for call, name in (("clGetPlatformIDs", "opencl"), ("clGetDeviceIDs", t.driver)):
        fault = f"call={call};times=0;code=-6"
        says = f"{call}: CL_OUT_OF_HOST_MEMORY"
        rows = one_object(t.below("devices", "--json", fault=fault)[0])["devices"]
        expect([(r["id"], r["type"]) for r in rows] == [(name, "none"), ("reference", "reference")], f"{rows}")
        expect(says in rows[0]["note"], f"{rows}")
        train = ("train", t.nets["dense"], t.images, *RUN)
        t.below(*train, fault=fault)[0].says(f"{name}: {says}", "using the C reference")
        t.below(*train, "--device", name, fault=fault, status=1)[0].says(f"{name} cannot be used: {says}")
        result, _ = t.below("verify", "--all", "--cases", "0", fault=fault, status=1)
        expect(says in result.out and "1 passed, 1 failed, 0 skipped" in result.out, "not failed", result)


@case("a launch that the layer leaves out without a word changes the digest", "pocl", "rusticl")
def _(t, net):
    plain = t.plain(net)
    for n in (n for n in plain.step(3) if plain.launches[n - 1] in ("dense_forward", plain.update)):
        result, counted = t.train_below(net, fault=rule(LAUNCH, n, 0, lazy=1))
        expect(counted["faults"] and one_object(result)["weights_sha256"] != plain.sha256, "it does not show", result)


def unexpected_events(counted):
    """Events that no stream makes: of launches, and of all but its uploads and marks. An evaluation streams its set."""
    made = {name for name, count in counted["events_of"].items() if count}
    return made - {"clEnqueueWriteBuffer", "clEnqueueMarkerWithWaitList"}


@case("train: nothing leaks, no event is made but for a stream, the peak is the one that it tells", "pocl", "rusticl")
def _(t, net):
    plain = t.plain(net)  # which looks for leaks
    expect(not unexpected_events(plain.counted), f"events of {unexpected_events(plain.counted)}")
    expect(not plain.calls("clEnqueueMarkerWithWaitList", 0, plain.trained), "a set that fits is streamed")
    told = plain.counted["peaks"][plain.update]
    expect(told == plain.peak, f"{told} bytes at most, told {plain.peak}")
    expect(plain.counted["buffers"] and plain.counted["calls"][LAUNCH] == len(plain.launches), "not all was counted")
    expect(
        len(plain.step(STEPS)) == len(plain.step(STEPS - 1)),
        "steps of unequal lengths: they are not where the test thinks",
    )


@case("a step of a set that lies on the device has launches alone: no wait, no transfer, no flush", "pocl", "rusticl")
def _(t, net):
    plain = t.plain(net)
    for s in range(1, STEPS + 1):
        inside = plain.trace[plain.places[plain.step(s)[0] - 1] : plain.places[plain.step(s)[-1] - 1] + 1]
        others = [name for name in inside if name.startswith("cl")]
        expect(len(inside) > 9 and not others, f"step {s}: {others} among {len(inside)} calls")


@case("eval: nothing leaks, no event is made but for a stream", "pocl", "rusticl")
def _(t, net):
    saved, plain = t.place() / "saved", t.plain(net)
    t.train_below(net, "--save", saved)
    result, counted = t.below("eval", saved, t.images, "--device", t.driver, "--json")
    expect(one_object(result)["weights_sha256"] == plain.sha256, "another digest", result)
    expect(
        not any(counted["left"].values()) and not counted["current_bytes"], f"not released: {counted['left']}", result
    )
    expect(not unexpected_events(counted), f"events of {unexpected_events(counted)}", result)


@case("verify: nothing leaks, no event is made but for a stream and by CLBlast")
def _(t):
    result, counted = t.below("verify", "--device", t.driver, "--cases", "1", timeout=500)
    ours = {name for name in unexpected_events(counted) if name[0].islower()}
    expect(
        not any(counted["left"].values()) and not counted["current_bytes"], f"not released: {counted['left']}", result
    )
    expect(not ours, f"events: {ours}", result)


@case("mlp: the peak is the one that it tells, at several batches")
def _(t):
    if not FASHION.exists():
        raise Skip(f"no {FASHION}")
    for batch in (1, 64, 500, 3000):
        for _ in range(2):  # kernels that are used for the first time are tested, in memory of their own
            result, counted = t.below(
                "train", "mlp", FASHION, "--device", t.driver, "--batch", batch, "--steps", "1", "--json", timeout=500
            )
        told, seen = device_bytes(one_object(result)), [counted["peaks"][n] for n in UPDATES if n in counted["peaks"]]
        expect(seen == [told], f"batch {batch}: {seen} bytes, not {told}", result)
        expect(not any(counted["left"].values()), f"batch {batch}: not released: {counted['left']}", result)


@case(
    "train on a set that is streamed: nothing leaks, launches make no event, the peak is the one that it tells",
    "pocl",
    "rusticl",
)
def _(t):
    for net in t.nets:
        plain, streamed = t.plain(net), t.plain(net + STREAMED)
        expect("clEnqueueMarkerWithWaitList" in streamed.trace, "the set was not streamed")
        expect(
            streamed.sha256 == plain.sha256 and streamed.json["accuracy"] == plain.json["accuracy"], "another result"
        )
        seen = streamed.counted["peaks"][streamed.update]
        expect(seen == streamed.peak < plain.peak, f"{seen} bytes at most, told {streamed.peak}")
        expect(not unexpected_events(streamed.counted), f"events of {unexpected_events(streamed.counted)}")


# ------------------------------------------------------------------------------------- limits that a device tells of


@case("a device that gives no piece as large as a part: smaller tiles, the same digest", "pocl", "rusticl")
def _(t, net):
    most = t.plain(net).counted["largest_bytes"] - 1
    result, counted = t.survive(net, MAX_ALLOC=most, notes=(0,))
    expect(
        counted["largest_bytes"] <= most, f"a buffer of {counted['largest_bytes']} bytes, with at most {most}", result
    )


@case("a device with little memory: smaller tiles, the same digest")
def _(t, net):
    plain = t.plain(net)
    result, counted = t.survive(net, GLOBAL=2 * (plain.told - 1), notes=(0,))  # half of what is shared with the host
    expect(counted["peak_bytes"] < plain.peak, f"{counted['peak_bytes']} bytes, of {plain.peak}", result)


@case("a device with far too little memory: a message")
def _(t, net):
    t.give_up(net, "", "bytes", MAX_ALLOC=4096)
    t.give_up(net, "", "bytes", GLOBAL=8192)


# ----------------------------------------------------------------------------------------------- refusals, told at once


def one_code_will_do(t, code):
    if t.sanitized and code != -4:
        raise Skip("the same memory as with -4, which is enough for a sanitizer")


for _code in (-4, -5, -6):

    @case(f"each launch of a step refused once with {_code}", streams=_code == -4)
    def _(t, net, code=_code):
        one_code_will_do(t, code)
        survive_each(t, net, LAUNCH, launches(t, net), code)

    @case(f"each buffer of the training refused once with {_code}", streams=_code == -4)
    def _(t, net, code=_code):
        one_code_will_do(t, code)
        plain = t.plain(net)
        survive_each(t, net, "clCreateBuffer", plain.calls("clCreateBuffer", plain.workspace, plain.trained), code)


@case("some launches and buffers refused once", "rusticl")
def _(t, net):
    plain = t.plain(net)
    buffers = plain.calls("clCreateBuffer", plain.workspace, plain.trained)
    each(survivals(t, net, LAUNCH, some(plain.step(3)), -4) + survivals(t, net, "clCreateBuffer", buffers[-1:], -4))


@case("launches of the first steps, of a smaller batch, of the next epoch and of the last step refused")
def _(t, net):
    survive_each(t, net, LAUNCH, [n for s in (1, 4, 5, 6) for n in some(t.plain(net).step(s))], -4)


@case("launches before the first step refused")
def _(t, net):
    survive_each(t, net, LAUNCH, t.plain(net).step(0)[::2], -4)


@case("each first touch and each transfer of the training refused")
def _(t, net):
    plain = t.plain(net)
    each(
        [
            one
            for call in ("clEnqueueFillBuffer", "clEnqueueWriteBuffer")
            for one in survivals(t, net, call, plain.calls(call, plain.workspace, plain.trained), -4)
        ]
    )


@case("each upload, marker and barrier of a streamed step refused, accepted and not done, or never accepted")
def _(t):
    for net in (name + STREAMED for name in t.nets):
        places = t.plain(net).calls_of_step(
            3, "clEnqueueWriteBuffer", "clEnqueueMarkerWithWaitList", "clEnqueueBarrierWithWaitList"
        )
        expect(len(places) >= 5, "the set is not streamed")
        survive_calls(t, net, places, -4)
        survive_calls(t, net, places, -5, lazy=1)
        each([(place, partial(t.give_up, net, rule(*place, -5, times=0), CODES[-5])) for place in places])


@case("clWaitForEvents fails once, twice, for ever")
def _(t):
    for net in (name + STREAMED for name in t.nets):
        waits = [n for s in (3, 6) for _, n in t.plain(net).calls_of_step(s, "clWaitForEvents")]
        expect(waits, "there is none in a step")
        survive_each(t, net, "clWaitForEvents", waits, -5)
        survive_each(t, net, "clWaitForEvents", waits, -5, times=2)
        t.give_up(net, rule("clWaitForEvents", waits[0], -5, times=0), CODES[-5])


@case("sub-buffers, kernels and arguments refused")
def _(t, net):
    plain = t.plain(net)
    each(
        survivals(t, net, "clCreateSubBuffer", (1, 10, 20), -6)
        + survivals(t, net, "clCreateKernel", [plain.counted["calls"]["clCreateKernel"] // 2], -6, notes=(0, 1))
        + survivals(t, net, "clSetKernelArg", (1, 5, 20, 40), -6, after=plain.step(3)[0] - 1)
    )


@case("several refusals: in a row, and far apart")
def _(t, net):
    plain = t.plain(net)
    middle, later = plain.step(3)[4], plain.step(5)[-1]
    each(
        [
            (f"{times} in a row at {n}", partial(t.survive, net, rule(LAUNCH, n, -4, times=times), notes=(1, 2, 3)))
            for times in (2, 3)
            for n in (middle, plain.step(3)[-1])
        ]
        + [
            (
                "far apart",
                partial(t.survive, net, rule(LAUNCH, middle, -4) + "|" + rule(LAUNCH, later, -5), notes=(1, 2)),
            )
        ]
    )


@case("the evaluation after the training: buffers and launches refused")
def _(t, net):
    plain = t.plain(net)
    each(
        survivals(t, net, "clCreateBuffer", plain.calls("clCreateBuffer", plain.trained), -4)
        + survivals(t, net, LAUNCH, plain.after(), -4)
    )


@case("two passing refusals leave tiles that are worth while, though most of the memory does not shrink")
def _(t):
    mlp = ("train", "mlp", t.images, "--device", t.driver, "--batch", BATCH, "--steps", STEPS, "--json")
    t.below(*mlp, timeout=500)  # builds kernels
    plain = Plain(*t.below(*mlp))
    for n in some(plain.step(3)):
        result, _ = t.below(*mlp, fault=rule(LAUNCH, n, -4, times=2))
        done = one_object(result)
        expect(done["weights_sha256"] == plain.sha256, "another digest", result)
        expect(
            done["cuts"] + done["replays"] >= 2 and done["tile"] >= 16,  # a replay: of an update that is refused
            f"{done['cuts']} cuts, {done['replays']} replays, and a tile of {done['tile']} from then on",
            result,
        )
    result, _ = t.below(*mlp, fault=rule(LAUNCH, n, -4, times=0), status=1)
    result.says("tassello train: ", CODES[-4])


def evaluations(t, net):
    """What evaluates the net's checkpoint under a fault, which must change nothing and be told once; what an
    undisturbed one counted."""
    saved, plain = t.place() / "saved", t.plain(net)
    t.train_below(net, "--save", saved)
    evaluate = ("eval", saved, t.images, "--device", t.driver, "--json")
    _, undisturbed = t.below(*evaluate)

    def survive(fault):
        result, counted = t.below(*evaluate, fault=fault)
        done = one_object(result)
        expect(counted["faults"], "the fault did not happen", result)
        expect(
            done["weights_sha256"] == plain.sha256 and done["accuracy"] == plain.json["accuracy"],
            "another result",
            result,
        )
        expect(len(notes_of(result)) == 1, f"{len(notes_of(result))} notes", result)
        expect(
            not any(counted["left"].values()) and not counted["current_bytes"],
            f"not released: {counted['left']}",
            result,
        )

    return survive, undisturbed


@case("the parameters' buffer, fill and writes refused, or accepted and not done")
def _(t, net):
    plain = t.plain(net)
    places = [
        (call, n)
        for call in ("clCreateBuffer", "clEnqueueFillBuffer", "clEnqueueWriteBuffer")
        for n in plain.calls(call, 0, plain.workspace)
    ]
    expect(len(places) >= 4, f"{places}: not all of them are there")
    survive_calls(t, net, places, -4)
    survive_calls(t, net, [place for place in places if place[0] != "clCreateBuffer"], -5, lazy=1)


@case("eval: each buffer, fill, transfer and launch refused once, or failing once")
def _(t, net):
    survive, undisturbed = evaluations(t, net)
    calls = [
        (call, n)
        for call in ("clCreateBuffer", "clEnqueueFillBuffer", "clEnqueueWriteBuffer", LAUNCH, "clEnqueueReadBuffer")
        for n in range(1, undisturbed["calls"][call] + 1)
    ]
    each(
        [(place, partial(survive, rule(*place, -4))) for place in calls]
        + [
            (("lazy", *place), partial(survive, rule(*place, -5, lazy=1)))
            for place in calls
            if place[0] in ("clEnqueueFillBuffer", "clEnqueueWriteBuffer")
        ]
    )


@case("however often memory is refused, in steps and in validations, it is reported once")
def _(t, net):
    wanted = one_object(t.train_below(net, "--steps", 12, "--validation", 60)[0])
    faults = "|".join(rule(LAUNCH, n, -4, kernel="dense_forward") for n in range(9, 129, 9))
    result, counted = t.train_below(net, "--steps", 12, "--validation", 60, fault=faults)
    done = one_object(result)
    expect(counted["faults"] >= 5, f"{counted['faults']} faults", result)
    expect(done["weights_sha256"] == wanted["weights_sha256"], "another digest", result)
    expect(done["validation"] == wanted["validation"] and len(wanted["validation"]) > 1, "other validations", result)
    expect(len(notes_of(result)) == 1, f"{len(notes_of(result))} notes", result)


def budgets(t, net):
    """Less than the undisturbed run takes: by a byte, by half of what tiles can save, by nearly all of it."""
    most = t.plain(net).peak
    least = device_bytes(one_object(t.train_below(net, "--batch", "1", "--steps", "1")[0]))
    return {"a byte too little": most - 1, "half": (most + least) // 2, "little more than the least": least + 8192}


@case("less memory than the device says: refused when buffers are made")
def _(t, net):
    def within(most):
        result, counted = t.survive(net, BUDGET=most)
        expect(counted["faults"] and counted["peak_bytes"] <= most, f"{counted['peak_bytes']} bytes, of {most}", result)

    each([(label, partial(within, most)) for label, most in budgets(t, net).items()])


@case("less memory than the device says: refused when buffers are first used", "pocl", "rusticl")
def _(t, net):
    each(
        [
            (f"{label}, {code}", partial(t.survive, net, LAZY_BUDGET=most, CODE=code))
            for label, most in budgets(t, net).items()
            for code in ((-4, -5) if t.driver == "pocl" else (-4,))
        ]
    )


@case("far less memory than the device says: a message")
def _(t, net):
    most = t.plain(net).peak // 8
    each(
        [
            (key, partial(t.give_up, net, "", "memory", "bytes", CODES[-4], **{key: most}))
            for key in ("BUDGET", "LAZY_BUDGET")
        ]
    )


# ------------------------------------------------------------------------------------- failures that show at a wait


@case("each launch of a step accepted but not run, which the next wait tells")
def _(t, net):
    survive_each(t, net, LAUNCH, launches(t, net), -5, lazy=1)


@case("launches accepted but not run: in the first steps, in the last", "pocl", "rusticl", streams=True)
def _(t, net):
    plain = t.plain(net)
    steps = (1, 2, 4, 5, 6) if t.driver == "pocl" else (1, 6)
    survive_each(t, net, LAUNCH, [n for s in steps for n in some(plain.step(s))], -5, lazy=1)


@case("launches and transfers before the first step accepted but not run")
def _(t, net):
    plain = t.plain(net)
    each(
        survivals(t, net, LAUNCH, some(plain.step(0)), -5, lazy=1)
        + [
            one
            for call in ("clEnqueueFillBuffer", "clEnqueueWriteBuffer")
            for one in survivals(t, net, call, plain.calls(call, plain.workspace, plain.trained), -5, lazy=1)
        ]
    )


@case("a wait that fails and leaves garbage in every buffer", "pocl", "rusticl", streams=True)
def _(t, net):
    plain = t.plain(net)
    each(
        survivals(t, net, LAUNCH, [plain.step(s)[2] for s in (1, 3, 5, 6)], -5, lazy=1, spoil=1)
        + survivals(
            t,
            net,
            "clEnqueueReadBuffer",
            plain.calls("clEnqueueReadBuffer", plain.places[0], plain.trained)[:4],
            -5,
            spoil=1,
        )
    )


@case("a wait that fails twice")
def _(t, net):
    survive_each(t, net, LAUNCH, some(t.plain(net).step(3)), -5, lazy=1, times=2)


@case("clFinish, a blocking read, clFlush: each fails once")
def _(t, net):
    plain = t.plain(net)
    each(
        [
            one
            for call in ("clFinish", "clEnqueueReadBuffer", "clFlush")  # how many depends on the time that steps take
            for one in survivals(t, net, call, plain.calls(call, plain.workspace, plain.trained)[:4], -5, notes=(0, 1))
        ]
    )


@case("the log of a run that was replayed has each step once, with the same losses")
def _(t, net):
    def steps(*arguments, **more):
        log = t.place() / "log"
        t.survive(net, *arguments, "--log", log, **more)
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        return [(line["step"], line["epoch"], line["batch"], line["loss"]) for line in lines if "step" in line]

    plain = steps("", notes=(0,))
    expect([step for step, *_ in plain] == list(range(1, STEPS + 1)), f"{plain}")
    for s in (1, 3, 6):
        seen = steps(rule(LAUNCH, t.plain(net).step(s)[-1], -5, lazy=1))
        expect(seen == plain, f"step {s} failed: {seen}, expected {plain}")


@case(
    "convolutions in groups, pooling and dropout: launches and buffers refused, launches not run, a lost context; "
    "the peak",
    "pocl",
    "rusticl",
)
def _(t):
    net = "conv"
    plain = t.plain(net)
    told = plain.counted["peaks"][plain.update]
    expect(told == plain.peak, f"{told} bytes at most, told {plain.peak}")
    kernels = set(plain.launches[n - 1] for n in plain.step(3))
    expect(
        all(any(word in kernel for kernel in kernels) for word in ("conv", "pool", "dropout")),
        f"{kernels}: not all of them",
    )
    every, buffers = launches(t, net), plain.calls("clCreateBuffer", plain.workspace, plain.trained)
    if t.driver == "rusticl":
        every, buffers = some(every), buffers[-1:]
    each(
        survivals(t, net, LAUNCH, every, -4)
        + survivals(t, net, "clCreateBuffer", buffers, -4)
        + survivals(t, net, LAUNCH, every[::4], -5, lazy=1, spoil=1)
        + losses(t, net, [((LAUNCH, n), -5) for n in some(every)[-2:]])
    )


def losses(t, net, places, **more):
    """Runs that lose their context there, and with it all of its objects."""
    return [((*place, code), partial(t.survive, net, rule(*place, code, lost=1), **more)) for place, code in places]


@case(
    "a context that is lost: the run goes on in a new one, says so once, and ends with the same bits",
    "pocl",
    "rusticl",
    streams=True,
)
def _(t, net):
    plain = t.plain(net)
    places = [((LAUNCH, n), -5) for s in ((1, 3, 6) if t.driver == "pocl" else (3,)) for n in some(plain.step(s))]
    reads = plain.calls("clEnqueueReadBuffer", plain.places[plain.step(1)[0] - 2], plain.trained)
    if t.driver == "pocl":
        places += [
            (place, code)
            for code in (-5, -36, -9999)
            for place in (("clEnqueueReadBuffer", reads[0]), (LAUNCH, plain.step(4)[1]))
        ]
        places += [
            (place, -5) for place in plain.calls_of_step(3, "clFlush", "clEnqueueMarkerWithWaitList", "clWaitForEvents")
        ]
    each(losses(t, net, places))


@case("a context that is lost under Adam, and twice")
def _(t):
    plain, net = t.plain("dense" + ADAM), "dense" + ADAM
    each(losses(t, net, [((LAUNCH, plain.step(3)[2]), -5)]))
    first = rule(LAUNCH, 3, -5, kernel="dense_forward", after=plain.step(3)[0], lost=1)
    second = rule(LAUNCH, 3, -36, kernel=ADAMS, after=plain.step(6)[-1], lost=1)
    t.survive(net, f"{first}|{second}")


@case("eval and the evaluation after a training: a context that is lost")
def _(t, net):
    survive, undisturbed = evaluations(t, net)
    each(
        [
            ((n, code), partial(survive, rule(LAUNCH, n, code, lost=1)))
            for code in (-5, -36)
            for n in some(range(1, undisturbed["calls"][LAUNCH] + 1))
        ]
        + losses(t, net, [((LAUNCH, n), -5) for n in some(t.plain(net).after())])
    )


@case("a context that is lost, and no other is to be had, or each is lost again: a message that is true")
def _(t, net):
    plain = t.plain(net)
    lost = rule(LAUNCH, plain.step(3)[2], -5, lost=1)
    again = rule(LAUNCH, 1, -5, kernel=plain.update, after=plain.step(3)[2], times=0, lost=1)
    for fault in (f"{lost}|{rule('clCreateContext', 2, -6, times=0)}", again):
        result, _ = t.give_up(net, fault, "CL_OUT_OF_")
        expect("smallest tiles" not in result.err, "it was not for want of memory", result)


@case("CLBlast: a context that is lost")
def _(t, net):
    fast = ("train", t.nets[net], t.images, "--device", t.driver, *RUN, "--arith", "fast")
    result, counted = t.below(*fast, timeout=500)
    wanted, kernels = one_object(result), counted["kernels"]
    expect("bias_rows" in kernels, "CLBlast is not used", result)
    after = Plain(result, counted).ends[-1]
    result, counted = t.below(*fast, fault=rule(LAUNCH, 1, -5, after=after - 8, lost=1), timeout=500)
    expect(
        counted["faults"] and len(notes_of(result)) == 2,
        f"{len(notes_of(result))} notes: one is of the self-test",
        result,
    )
    expect(one_object(result)["weights_sha256"] == wanted["weights_sha256"], "another digest", result)
    expect(not any(counted["left"].values()), f"not released: {counted['left']}", result)


@case(
    "Adam, which keeps two states: launches and buffers refused, launches accepted but not run, garbage",
    "pocl",
    "rusticl",
)
def _(t):
    net = "dense" + ADAM
    plain = t.plain(net)
    told = plain.counted["peaks"][ADAMS]
    expect(plain.update == ADAMS and plain.sha256 != t.plain("dense").sha256, "no Adam")
    expect(told == plain.peak > t.plain("dense").peak, f"{told} bytes at most, told {plain.peak}")
    places = launches(t, net) if t.driver == "pocl" else some(plain.step(3))
    buffers = plain.calls("clCreateBuffer", plain.workspace, plain.trained)
    each(
        survivals(t, net, LAUNCH, places, -4)
        + survivals(t, net, LAUNCH, places, -5, lazy=1, spoil=1)
        + survivals(t, net, "clCreateBuffer", buffers if t.driver == "pocl" else buffers[-1:], -4)
        + survivals(t, net, LAUNCH, [plain.step(s)[-1] for s in (1, 5, 6)], -5, lazy=1)
    )


@case("LAMB, clipped: an update of many launches, of which those that were accepted are not repeated", *DRIVERS)
def _(t):
    net = "dense" + LAMB
    plain = t.plain(net)
    told = plain.counted["peaks"][LAMBS]
    expect(plain.update == LAMBS and plain.updates == 3 and told == plain.peak, f"{plain.updates} {told} {plain.peak}")
    names = [plain.launches[n - 1] for n in plain.step(3)]
    expect("gradient_clip" in names, f"{names}")
    update = plain.step(3)[names.index("gradient_clip") - 4 :]  # from the squares of four gradients on
    expect(names.count("trust_ratio") == 2 and names.count("lamb_direction") == 2, f"{names}")
    each(
        survivals(t, net, LAUNCH, update if t.driver == "pocl" else some(update), -4)
        + survivals(t, net, LAUNCH, some(update), -5, times=3)
        + survivals(t, net, LAUNCH, some(update), -5, lazy=1, spoil=1)
    )


# --------------------------------------------------------------------------------------------- what cannot be survived


@case("an error that is no want of memory: a message, and the file of --save stays")
def _(t, net):
    plain = t.plain(net)
    places = [(LAUNCH, n) for n in some(plain.step(3))]
    for call in (
        "clCreateBuffer",
        "clEnqueueFillBuffer",
        "clEnqueueWriteBuffer",
        "clEnqueueReadBuffer",
        "clFinish",
        "clFlush",
    ):
        places.append((call, plain.calls(call, plain.workspace, plain.trained)[0]))
    each(
        [(place, partial(t.survive_or_give_up, net, rule(*place, -11), CODES[-11])) for place in places]
        + [(("for ever", *place), partial(t.give_up, net, rule(*place, -11, times=0), CODES[-11])) for place in places]
    )


@case("some error that is no want of memory: a message", "rusticl")
def _(t, net):
    t.give_up(net, rule(LAUNCH, t.plain(net).step(3)[3], -11, times=0), CODES[-11])


@case("failures that do not end: a message, and the file of --save stays")
def _(t, net):
    plain = t.plain(net)
    first, *_, last = plain.step(3)
    places = [(LAUNCH, first, code) for code in (-4, -5, -6)] + [(LAUNCH, last, -5), (LAUNCH, 1, -4)]
    for call, code in (
        ("clCreateBuffer", -4),
        ("clEnqueueFillBuffer", -4),
        ("clEnqueueWriteBuffer", -5),
        ("clFinish", -5),
        ("clEnqueueReadBuffer", -5),
        ("clFlush", -5),
    ):
        places.append((call, plain.calls(call, plain.workspace, plain.trained)[0], code))
    each(
        [(place, partial(t.give_up, net, rule(*place, times=0), CODES[place[2]], "memory")) for place in places]
        + [
            (
                "only the update",
                partial(t.give_up, net, rule(LAUNCH, 4, -5, kernel=t.plain(net).update, times=0), CODES[-5], "memory"),
            ),
            ("lazy", partial(t.give_up, net, rule(LAUNCH, first, -5, lazy=1, times=0), CODES[-5])),
        ]
    )


@case("an update that makes its gradient: refused, it goes back to a snapshot, as smaller tiles would lose its inputs")
def _(t):
    wide = t.place() / "wide.net"
    wide.write_text("input 1x28x28\ndense 90\nrelu\ndense 10\n")

    def train(batch, fault=""):
        result, counted = t.below("train", wide, t.images, "--device", t.driver, "--batch", batch, "--steps", STEPS,
                                  "--json", fault=fault, timeout=500)
        return one_object(result), counted, result

    def survive(batch, wanted, fault):
        done, counted, result = train(batch, fault)
        expect(counted["faults"], "the fault did not happen", result)
        expect(done["weights_sha256"] == wanted["weights_sha256"], "another digest", result)

    for batch, update in ((5, "dense_sgd"), (48, "dense_sgd_near")):
        train(batch)  # builds kernels and tests the device
        wanted, counted, _ = train(batch)
        launches = [name for name in counted["trace"] if name in ("dense_check", update)]
        nth = {kernel: launches.count(kernel) - STEPS + 3 for kernel in ("dense_check", update)}
        expect(min(nth.values()) >= 3, f"{launches}")
        each([((batch, kernel, code, lazy), partial(survive, batch, wanted,
                                                    rule(LAUNCH, nth[kernel], code, kernel=kernel, **lazy)))
              for kernel in nth for code in (-4, -5) for lazy in ({}, {"lazy": 1})])


@case("a device that fails for good, after a snapshot: --save has that step's weights", "pocl", "rusticl")
def _(t, net):
    plain, folder = t.plain(net), t.place()
    wanted = one_object(t.train_below(net, "--steps", 4)[0])["weights_sha256"]
    update = plain.ends.index(plain.step(4)[-1]) + 1
    fault = (rule(LAUNCH, update, 0, kernel=plain.update, pause=3000) + "|" +  # a snapshot is due behind it
             rule(LAUNCH, update + 1, -5, kernel=plain.update, times=0))
    result, _ = t.train_below(net, "--save", folder / "saved", "--log", folder / "log", fault=fault, status=1)
    result.says(CODES[-5], str(folder / "saved"), "step 4")
    expect(result.out == "", "stdout is not empty", result)
    last = json.loads((folder / "log").read_text().splitlines()[-1])
    expect(last["result"]["weights_step"] == 4, f"{last}", result)
    saved = one_object(t.below("eval", folder / "saved", t.images, "--device", "reference", "--json")[0])
    expect(saved["weights_sha256"] == wanted and "step 4 " in saved["training"], f"{saved}")


@case("an evaluation whose launches are refused for ever ends with a message: eval, and train's", "pocl", "rusticl")
def _(t, net):
    folder, plain = t.place(), t.plain(net)
    t.train_below(net, "--save", folder / "saved")
    never = rule(LAUNCH, 1, -5, kernel="dense_forward", times=0)
    result, counted = t.below("eval", folder / "saved", t.images, "--device", t.driver, fault=never, status=1)
    result.says("tassello eval: ", CODES[-5])
    expect(
        not any(counted["left"].values()) and not counted["current_bytes"], f"not released: {counted['left']}", result
    )
    result, counted = t.train_below(net, fault=f"{never};after={plain.ends[-1]}", status=1)
    result.says("tassello train: ", CODES[-5])


# --------------------------------------------------------------------------------------------------------- the harness


def absent(t):
    """Why nothing can be tested here; None if it can."""
    icd = DRIVERS[t.driver]["OCL_ICD_VENDORS"]
    if not os.path.exists(icd):
        return f"no {icd}"
    result, counted = t.below("devices", "--json")
    if [row["id"] for row in one_object(result)["devices"]] == ["reference"]:
        return f"{icd} has no device"
    return None if counted else "the OpenCL loader knows no layers"


def run_cases(t, words):
    """Counts of what failed and what there was."""
    chosen = []
    for name, function, drivers, streams in CASES:
        if t.driver not in drivers or (words and not any(word in name for word in words)):
            continue
        if function.__code__.co_argcount == 1:
            chosen.append((name, function))
            continue
        nets = [net + kind for net in t.nets for kind in ("", STREAMED)[: 1 + streams]]
        chosen += [(f"{net}: {name}", lambda t, f=function, n=net: f(t, n)) for net in nets]
    failed = 0
    with open(os.environ.get("CK_TAP_LOG_FILE_NAME", os.devnull), "w") as log, ThreadPoolExecutor(3) as pool:
        log.write(f"1..{len(chosen)}\n")
        ends = [pool.submit(attempt, t, function) for _, function in chosen]
        ends = [end.result() for end in ends]
        for number, ((name, function), end) in enumerate(zip(chosen, ends), 1):
            # A run of more than two seconds takes a snapshot, whose launches shift those that a rule counts. So what
            # failed beside others on a busy machine is tried once more, alone.
            if end and end[0] == "fail":
                print("\n".join("#   " + text for text in end[1].splitlines()), flush=True)
                print(f"# {number} failed beside others; alone:", flush=True)
                t.known = {}
                end = attempt(t, function)
            if end and end[0] == "skip":
                print(f"ok {number} - {name} # SKIP {end[1]}", flush=True)
                continue
            failed += bool(end)
            line = f"{'not ok' if end else 'ok'} {number} - {name}"
            print(line, flush=True)
            log.write(line + "\n")
            if end:
                print("\n".join("#   " + text for text in end[1].splitlines()), flush=True)
    return failed, len(chosen)


def main():
    if len(sys.argv) < 4 or sys.argv[3] not in DRIVERS:
        sys.exit(__doc__)
    begin = time.monotonic()
    t = Faulty(*sys.argv[1:4])
    try:
        reason = absent(t)
        if reason:
            print(f"{t.driver}: {reason}")
            return 77
        failed, count = run_cases(t, sys.argv[4:])
    finally:
        t.end()
    print(f"# {failed} of {count} failed, in {time.monotonic() - begin:.1f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
