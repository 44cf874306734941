#!/usr/bin/env python3
"""Every OpenCL call of a short run fails: with four errors, once and from then on; and devices with odd limits.

    test_calls.py TASSELLO LAYER [--all] [WORD]...    the commands and limits whose names hold a WORD

--all: each call of the runs marked so; without it, and of the others, the first call of each kind, a launch of each
kernel being one. A run must end as if nothing had happened, or with status 1 and a message; it must not crash or hang,
all objects must be released, and the file of --save must be whole, the earlier or the new one. Prints a table. Exit
status 0; 1 if something failed; 77 without PoCL or a loader that knows layers.
"""
import collections
import os
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from test_faults import absent, CODES, DRIVERS, Faulty, rule
from test_preload import file_content, files_of, text_of
from cli.common import expect, NET, one_object, Skip

ONCE, EVER = 1, 0
# Of each: whether --all tries every call of it; what follows the command's name; what it needs first.
COMMANDS = {
    "train": (True, ("train", "net", "{data}", "--batch", "16", "--steps", "2", "--save", "s", "--save-every", "1",
                     "--json")),
    "train, streamed": (False, ("train", "net", "{data}", "--batch", "16", "--steps", "2", "--budget", "{least}",
                                "--tile", "5", "--optimizer", "lamb", "--save", "s", "--json")),
    "train --resume": (False, ("train", "net", "{data}", "--resume", "s", "--steps", "5", "--save", "s", "--json")),
    "train --profile --noise": (False, ("train", "net", "{data}", "--batch", "16", "--steps", "17", "--profile",
                                        "--noise", "--momentum", "0")),
    "train --batch grow": (False, ("train", "net", "{data}", "--batch", "grow", "--batch-least", "4", "--epochs", "1",
                                   "--lr", "0.01", "--json")),
    "train --audit": (False, ("train", "net", "{data}", "--batch", "16", "--steps", "4", "--audit=100%", "--save",
                              "s", "--json")),
    "eval": (False, ("eval", "s", "{data}", "--json")),
    "predict": (False, ("predict", "s", "{data}", "--csv")),
    "sweep": (False, ("sweep", "net", "{data}", "--batches", "16,4", "--target-loss", "0.9", "--epochs", "1",
                      "--seeds", "2", "--lr", "0.05", "--lr-scaling", "none", "--brief", "--json", "j")),
    "verify": (False, ("verify", "--op", "dense_forward", "--cases", "1", "--json", "v")),
    "devices": (False, ("devices", "--json")),
}
GPU = {"TYPE": 4, "VECTOR_WIDTH": 1}  # of CL_DEVICE_TYPE_GPU
# What a device says of itself. All must train to the same bits, or refuse.
LIMITS = {
    "1 MiB at most per buffer": {"MAX_ALLOC": 1 << 20},
    "16 KiB at most per buffer": {"MAX_ALLOC": 1 << 14},
    "32 work-items per group": {"MAX_GROUP": 32},
    "16 work-items per group": {"MAX_GROUP": 16},
    "one work-item per group": {"MAX_GROUP": 1},
    "4 KiB of local memory": {"LOCAL": 4096},
    "1 KiB of local memory": {"LOCAL": 1024},
    "no local memory": {"LOCAL": 0},
    "no fma": {"WITHOUT_FP": 32},
    "no denormals": {"WITHOUT_FP": 1},
    "neither fma nor denormals": {"WITHOUT_FP": 33},
    "one compute unit": {"UNITS": 1},
    "no compute unit": {"UNITS": 0},
    "256 KiB of memory": {"GLOBAL": 1 << 18},
    "no memory": {"GLOBAL": 0},
    "memory of its own": {"UNIFIED": 0},
    "buffers aligned to 4096 bytes": {"ALIGN": 4096 * 8},
    "buffers aligned to a byte": {"ALIGN": 8},
    "a refused alignment of 0": {"ALIGN": 0},
    "all of them": {"MAX_ALLOC": 1 << 20, "MAX_GROUP": 32, "LOCAL": 4096, "WITHOUT_FP": 33, "UNITS": 1, "UNIFIED": 0,
                    "ALIGN": 4096 * 8},
}


class Run:
    """A command in a folder of its own, and what an undisturbed one does."""

    def __init__(self, t, name):
        self.t, self.name, self.template = t, name, t.place()
        self.every, words = COMMANDS[name]
        (self.template / "net").write_text(NET)
        t.run("train", self.template / "net", t.data, "--device", "reference", "--batch", "16", "--steps", "3",
              "--seed", "9", "--save", self.template / "s")
        words = [word.format(data=t.data, least=t.least()) for word in words]
        device = () if name == "devices" else ("--device", t.driver)
        self.words = (*words, *device)
        self.before = files_of(self.template)
        for _ in range(3):  # builds kernels, and drivers cache them
            result, counted, folder = self.run("", timeout=900)
            files = files_of(folder)
            shutil.rmtree(folder)
        if "--audit" in name and result.status == 2:
            raise Skip("no --audit")
        expect(result.status == 0 and counted and counted["trace"], "the undisturbed run failed", result)
        self.result, self.calls = result, [call.split("!")[0] for call in counted["trace"]]
        self.after = {file: file_content(raw) for file, raw in files.items()}

    def run(self, fault, timeout=600):
        folder = self.t.place()
        shutil.copytree(self.template, folder, dirs_exist_ok=True)
        result, counted = self.t.below(*self.words, fault=fault, status=None, timeout=timeout, cwd=folder, TRACE=2)
        return result, counted, folder

    def check(self, nth, code, times):
        """Whether it went on; None if the call was not made (how many waits there are depends on the time)."""
        fault = rule("*", nth, code, times=times)
        what = f"{self.name}: {fault} ({self.calls[nth - 1]})"
        result, counted, folder = self.run(fault)
        expect(result.status in (0, 1), f"{what}: status {result.status}", result)
        expect(counted or result.status, f"{what}: nothing was counted", result)
        left = {kind: count for kind, count in (counted or {"left": {}})["left"].items() if count}
        expect(not left, f"{what}: not released: {left}", result)
        if result.status == 1:
            expect("tassello" in result.err or self.name == "verify", f"{what}: no message", result)
        elif self.name not in ("devices", "train --profile --noise", "sweep"):
            expect(text_of(result.raw) == text_of(self.result.raw), f"{what}: another result", result)
        self.check_files(what, result, folder)
        shutil.rmtree(folder)
        return None if counted and not counted["faults"] else result.status == 0

    def check_files(self, what, result, folder):
        now = files_of(folder)
        expect(set(self.before) <= set(now) <= set(self.before) | set(self.after), f"{what}: {sorted(now)}", result)
        content = file_content(now["s"])
        good = content in (file_content(self.before["s"]), self.after["s"])
        expect(content and (good or (result.status and "s" in self.words)), f"{what}: the checkpoint is damaged",
               result)

    def tries(self, everything):
        """(which call, the error, how often)"""
        if everything and self.every:
            return [(n, code, times) for n in range(1, len(self.calls) + 1) for code in CODES for times in (ONCE, EVER)]
        first = {}
        for n, call in enumerate(self.calls, 1):
            first.setdefault(call, n)
        codes = list(CODES)
        return [(n, codes[(k + times) % len(codes)], times) for k, n in enumerate(sorted(first.values()))
                for times in (ONCE, EVER)]


class Called(Faulty):
    def __init__(self, program, layer):
        super().__init__(program, layer, "pocl")
        self.tested = set()

    def least(self):
        """A budget that has no room for the set."""
        o = one_object(self.run("plan", self.net, self.data, "--batch", "16", "--tile", "5", "--optimizer", "lamb",
                                "--device", self.driver, "--json", env=DRIVERS[self.driver], timeout=900))
        return o["min_budget"]

    def failures(self, name, everything, pool):
        """Runs it; the messages of what is wrong."""
        run = Run(self, name)
        tries = run.tries(everything)
        ends = list(pool.map(partial(attempt, run), tries))
        bad = [end for end in ends if isinstance(end, str)]
        counts = collections.Counter(str(end) for end in ends if not isinstance(end, str))
        calls = len({n for n, _, _ in tries})
        print(f"# {name}: {calls} of {len(run.calls)} calls, {len(tries)} runs: {counts['True']} went on, "
              f"{counts['False']} clean errors, {counts['None']} without that call, {len(bad)} wrong", flush=True)
        return bad

    def limited(self, name, everything):
        """A training on a device with that limit, as what it is and, with --all, as a GPU; what is wrong. Before the
        first one the device is tested as it is, for its cases may be larger than the limit."""
        bad, words = [], ("train", self.files["small"], self.data, "--batch", "48", "--steps", "3", "--tile", "7",
                          "--optimizer", "lamb", "--json")
        wanted = one_object(self.run(*words, "--device", "reference"))
        for more in ({}, GPU)[: 1 + everything]:
            where = f"{name}{', as a GPU' if more else ''}"
            device = "pocl-gpu" if more else self.driver
            if device not in self.tested:
                self.below(*words, "--device", device, timeout=3600, **more)
            self.tested.add(device)
            result, counted = self.below(*words, "--device", device, status=None, timeout=900,
                                         **{**LIMITS[name], **more})
            same = not result.status and one_object(result)["weights_sha256"] == wanted["weights_sha256"]
            refused = result.status == 1 and result.err.count("tassello train: ") == 1
            if not (same or refused):
                bad.append(f"{where}: another digest, or no message\n{result}")
            if counted and any(counted["left"].values()):
                bad.append(f"{where}: not released: {counted['left']}")
            print(f"# {where}: {'the same bits' if same else result.err.strip().splitlines()[-1][:150]}", flush=True)
        return bad


def attempt(run, words):
    try:
        return run.check(*words)
    except AssertionError as error:
        return str(error)


def main():
    everything, words = "--all" in sys.argv, [word for word in sys.argv[1:] if word != "--all"]
    if len(words) < 2:
        sys.exit(__doc__)
    begin, t, failed = time.monotonic(), Called(*words[:2]), 0
    t.files["small"] = t.net
    jobs = {name: lambda pool, n=name: t.failures(n, everything, pool) for name in COMMANDS}
    jobs |= {name: lambda pool, n=name: t.limited(n, everything) for name in LIMITS}
    chosen = [name for name in jobs if not words[2:] or any(word in name for word in words[2:])]
    try:
        reason = absent(t)
        if reason:
            print(f"pocl: {reason}")
            return 77
        with ThreadPoolExecutor(2) as pool, open(os.environ.get("CK_TAP_LOG_FILE_NAME", os.devnull), "w") as log:
            log.write(f"1..{len(chosen)}\n")
            for number, name in enumerate(chosen, 1):
                try:
                    bad = jobs[name](pool)
                except Skip as skip:
                    print(f"ok {number} - {name} # SKIP {skip}", flush=True)
                    continue
                except AssertionError as error:
                    bad = [str(error)]
                failed += bool(bad)
                line = f"{'not ok' if bad else 'ok'} {number} - {name}"
                print(line, flush=True)
                log.write(line + "\n")
                for text in bad[:12]:
                    print("\n".join("#   " + part for part in text.splitlines()), flush=True)
    finally:
        t.end()
    print(f"# {failed} of {len(chosen)} failed, in {time.monotonic() - begin:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
