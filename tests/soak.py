#!/usr/bin/env python3
"""A day of training in an hour: runs that are killed and resumed at random, and runs whose memory must not grow.

    soak.py TASSELLO [--time 60m] [--seed N]

One thread repeats short trainings. Each is cut into pieces by kill -9 or SIGTERM at random moments, and each piece has
a device, a budget and a tile of its own; it must end like the uninterrupted run on the reference: the same digest, the
same figures, and the same loss of every step in its log. Beside it run trainings that do not end. Their memory and
their open files are counted; at the end they are interrupted, and their digest must be that of so many steps on the
reference. Devices that are not there are left out; TASSELLO_SOAK_INTEL names an .icd file of Intel's CPU runtime.

Runs at nice 15. The last line is a summary that ends in `0 different` if all is well. Exit status 0; 1 if something
differs, grew, crashed or left files behind. The seed and the folder of a failed run are printed; it is kept.
"""
import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "cli"))
from common import expect, leftovers, one_object, POCL_ICD, RUSTICL_ICD, Tool  # noqa: E402
from test_resume import alike, kind_of  # noqa: E402

INTEL_ICD = os.environ.get("TASSELLO_SOAK_INTEL", "/etc/OpenCL/vendors/intel.icd")
# Name: how often it is drawn, the .icd file, the environment.
DEVICES = {
    "reference": (8, None, {}),
    "pocl": (6, POCL_ICD, {"OCL_ICD_VENDORS": POCL_ICD}),
    "intel": (2, INTEL_ICD, {"OCL_ICD_VENDORS": INTEL_ICD}),
    "rusticl": (1, RUSTICL_ICD, {"OCL_ICD_VENDORS": RUSTICL_ICD, "RUSTICL_ENABLE": "llvmpipe"}),
}
PLACED = ("resident", "passes", "cuts", "replays", "kept_bytes")  # of a result: what memory decides
COUNTED = ("runs", "kills", "interruptions", "resumes", "digests compared", "losses compared", "different")
SILENT = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
KINDS = 10  # test_resume.py has five groups of settings and two networks
FOREVER = ("--epochs", "400000000", "--batch", "24", "--lr", "0.001")
WATCHED = {  # runs that do not end
    "reference": ("reference", ("--budget", "least", "--tile", "5")),
    "pocl, resident": ("pocl", ("--optimizer", "adamw", "--save-every", "500")),
    "pocl, streamed": ("pocl", ("--budget", "least", "--save-every", "20s")),
}
GROWTH = 2 << 20  # bytes that a run may take more at its end than at its begin: allocators and drivers keep some


def parse_time(text):
    found = re.fullmatch(r"(\d+)([smh]?)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text}: expected a time such as 90s, 60m or 1h")
    return int(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


class Soak:
    def __init__(self, t, seed):
        self.t, self.draw = t, random.Random(seed)
        self.devices = [n for n, (_, icd, _) in DEVICES.items() if not icd or os.path.exists(icd)]
        self.warming = {}
        self.ids, self.wholes, self.leasts = {}, {}, {}
        self.counts = dict.fromkeys(COUNTED, 0)
        self.pieces = dict.fromkeys(self.devices, 0)

    def warm_up(self):
        """The first use of a device builds and tests kernels, which takes its time: only then is it drawn."""
        for device in self.devices:
            place, env = self.place_of(device)
            self.warming[device] = [self.t.start(*kind_of(self.t, kind), *place, env=env, **SILENT)
                                    for kind in (0, 1)]

    def is_ready(self, device):
        children = self.warming[device]
        if any(child.poll() is None for child in children):
            return False
        expect(all(child.returncode == 0 for child in children), f"{device}: its first run failed")
        return True

    def place_of(self, device):
        """The arguments and the environment that choose a device."""
        env = DEVICES[device][2]
        if device not in self.ids:
            rows = one_object(self.t.run("devices", "--json", env=env))["devices"]
            self.ids[device] = rows[-1 if device == "reference" else 0]["id"]
        return ("--device", self.ids[device]), env

    def least(self, device, words):
        """The smallest budget, which the error of a smaller one names."""
        if (device, words) not in self.leasts:
            place, env = self.place_of(device)
            result = self.t.run(*words, *place, "--budget", "1", env=env, status=1, timeout=1800)
            self.leasts[device, words] = int(re.findall(r"\d+", result.err)[-1])
        return self.leasts[device, words]

    def whole(self, kind):
        """The uninterrupted run: its object, and the loss of each step."""
        if kind not in self.wholes:
            log = self.t.place() / "log"
            result = self.t.run(*kind_of(self.t, kind), "--device", "reference", "--json", "--log", log)
            self.wholes[kind] = one_object(result), losses_of(log)
        return self.wholes[kind]

    def memory(self, device, words):
        """Often a budget, and often a tile."""
        more = ()
        if self.draw.random() < 0.6:
            least = self.least(device, words)
            more += ("--budget", str(self.draw.choice((least, self.draw.randint(least, 2 * least)))))
        if self.draw.random() < 0.4:
            more += ("--tile", str(self.draw.randint(1, 24)))
        return more

    def piece(self, words, folder, ends):
        """One process: to the end, or until it is killed; its output."""
        ready = [name for name in self.devices if self.is_ready(name)]
        device = self.draw.choices(ready, [DEVICES[name][0] for name in ready])[0]
        self.pieces[device] += 1
        place, env = self.place_of(device)
        file, log = folder / "s", folder / "log"
        resume = ("--resume", file) if file.exists() else ()
        self.counts["resumes"] += bool(resume)
        arguments = (*words, *place, *self.memory(device, words), *resume, "--save", file, "--save-every",
                     self.draw.choice((2, 5, 11, 40)), "--log", log, "--json")
        if ends:
            return self.t.run(*arguments, env=env, timeout=1800)
        child = self.t.start(*arguments, env=env)
        self.wait(child, file)
        number = self.draw.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))
        if child.poll() is None:
            child.send_signal(number)
            self.counts["kills" if number == signal.SIGKILL else "interruptions"] += 1
        out, err = child.communicate(timeout=300)
        self.t.children.remove(child)
        expect(child.returncode in (0, 130, -signal.SIGKILL, -signal.SIGTERM), f"{arguments}: status "
               f"{child.returncode}: {err.decode(errors='replace')[-1000:]}")
        return None

    def wait(self, child, file):
        """For a while, or until the checkpoint is another, and then for a shorter while."""
        before, end = change_time(file), time.monotonic() + 120
        if self.draw.random() < 0.4:
            time.sleep(self.draw.uniform(0, 2))
            return
        while child.poll() is None and change_time(file) == before and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(self.draw.uniform(0, 0.5))

    def run(self):
        kind = self.draw.randrange(KINDS)
        words, folder = kind_of(self.t, kind), self.t.place()
        whole, losses = self.whole(kind)
        try:
            for _ in range(self.draw.randint(1, 4)):
                self.piece(words, folder, ends=False)
            last = self.piece(words, folder, ends=True)
            alike({**whole, **dict.fromkeys(PLACED)}, {**one_object(last), **dict.fromkeys(PLACED)})
            seen = losses_of(folder / "log")
            for step, loss in seen:
                expect((step, loss) in losses, f"step {step}: loss {loss}, not that of the uninterrupted run")
            expect({step for step, _ in seen} == {step for step, _ in losses}, "the log has not all steps")
            expect(set(leftovers(folder)) <= {"s", "s.previous", "log"}, f"left behind: {leftovers(folder)}")
        except AssertionError as error:
            self.counts["different"] += 1
            print(f"DIFFERENT: kind {kind}, {folder}: {error}", flush=True)
        else:
            shutil.rmtree(folder)
            self.counts["losses compared"] += len(seen)
        self.counts["runs"] += 1
        self.counts["digests compared"] += 1


def losses_of(log):
    """(step, loss) of each whole line."""
    found = set()
    for line in log.read_text(errors="replace").splitlines():
        if line.startswith('{"step"') and line.endswith("}"):
            step = json.loads(line)
            found.add((step["step"], step["loss"]))
    return found


def change_time(file):
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return None


class Watch:
    """A training that does not end, and what it takes meanwhile."""

    def __init__(self, soak, name):
        self.soak, self.name = soak, name
        self.device, more = WATCHED[name]
        self.words = ("train", soak.t.net, soak.t.data, *FOREVER)
        least = soak.least(self.device, self.words) if "least" in more else 0
        place, env = soak.place_of(self.device)
        self.settings = more[:2] if "--optimizer" in more else ()
        more = [str(least) if word == "least" else word for word in more]
        save = ("--save", soak.t.place() / "s") if "--save-every" in more else ()
        self.errors = open(soak.t.place() / "stderr", "w+b")
        self.child = soak.t.start(*self.words, *place, *more, *save, "--json", env=env, stderr=self.errors)
        self.samples = []

    def go_on(self, seconds):
        """Stopped otherwise: all of them at once would leave the others little."""
        self.child.send_signal(signal.SIGCONT)
        time.sleep(seconds)
        if self.child.poll() is not None:
            return
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        rss = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) << 10
        self.samples.append((rss, len(os.listdir(f"/proc/{self.child.pid}/fd"))))
        self.child.send_signal(signal.SIGSTOP)

    def end(self):
        """A line that says what was seen; whether something differs or grew."""
        t = self.soak.t
        self.child.send_signal(signal.SIGTERM)  # SIGINT may be ignored, as nohup's children ignore it
        self.child.send_signal(signal.SIGCONT)
        out, _ = self.child.communicate(timeout=600)
        if self.child.returncode != 130:
            self.errors.seek(0)
            return f"{self.name}: status {self.child.returncode}: {self.errors.read()[-500:]}", True
        last = json.loads(out)
        again = one_object(t.run(*self.words[:3], *FOREVER[2:], "--steps", last["steps"], *self.settings, "--device",
                                 "reference", "--json", timeout=3600))
        (begin, files), (end, files_end) = self.samples[len(self.samples) // 10], self.samples[-1]
        same = again["weights_sha256"] == last["weights_sha256"]
        self.soak.counts["digests compared"] += 1
        return (f"{self.name}: {last['steps']} steps, RSS {begin / 2**20:.1f} MiB at the start, {end / 2**20:.1f} MiB "
                f"at the end, {files} and {files_end} open files, digest {'the same' if same else 'ANOTHER'}",
                not same or end > begin + GROWTH or files_end > files)


def watch(soak, end):
    """Runs until then; gives what was seen of each watched run."""
    soak.warm_up()
    while any(not soak.is_ready(device) for device, _ in WATCHED.values() if device in soak.devices):
        time.sleep(0.1)
    watched = [Watch(soak, name) for name, (device, _) in WATCHED.items() if device in soak.devices]
    told = time.monotonic()
    while time.monotonic() < end:
        soak.run()
        for one in watched:
            one.go_on(3)
        if time.monotonic() - told > 300:
            told = time.monotonic()
            print(f"# {soak.counts}", flush=True)
    return [one.end() for one in watched]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tassello")
    parser.add_argument("--time", type=parse_time, default=3600, metavar="TIME")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    arguments = parser.parse_args()
    os.nice(max(0, 15 - os.nice(0)))
    begin = time.monotonic()
    t = Tool(arguments.tassello)
    soak = Soak(t, arguments.seed)
    print(f"# seed {arguments.seed}, devices {', '.join(soak.devices)}", flush=True)
    failed = True
    try:
        seen = watch(soak, begin + arguments.time)
        for line, bad in seen:
            print(line)
            soak.counts["different"] += bad
        failed = soak.counts["different"] > 0
    finally:
        if failed:
            for child in t.children:
                child.kill()
            print(f"the files stay in {t.root}")
        else:
            t.end()
    print(f"pieces: {', '.join(f'{count} {name}' for name, count in soak.pieces.items())}")
    counts = ", ".join(f"{count} {what}" for what, count in soak.counts.items())
    print(f"{time.monotonic() - begin:.0f} s: {counts}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
