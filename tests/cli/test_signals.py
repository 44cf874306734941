#!/usr/bin/env python3
"""Signals during a run."""
import json
import re
import shutil
import signal
import sys
import time

from checks import POCL
from common import case, expect, leftovers, main, make_set, one_object, Result, Skip


def begin_long(t, *arguments, **more):
    """A training that does not end, after its first line of progress."""
    device = () if "--device" in arguments else ("--device", "reference")
    child = t.start("train", t.net, t.data, *device, "--batch", "240", "--lr", "0.05", "--epochs", "1000000000",
                    *arguments, **more)
    for line in child.stderr:
        if line.startswith(b"step "):
            return child
    raise AssertionError(f"it ended: {child.wait()}")


def read_until(child, text):
    """The first line on stderr with that text; progress comes every 10 s at least."""
    end = time.monotonic() + 60
    while text not in (line := child.stderr.readline()):
        if not line:
            raise AssertionError(f"it ended with {child.wait()}")
        expect(time.monotonic() < end, f"no line with {text}")
    return line.decode()


def interrupt(t, number, *arguments):
    folder = t.place()
    child = begin_long(t, "--save", folder / "s", "--log", folder / "l", *arguments)
    child.send_signal(number)
    out, err = child.communicate(timeout=30)
    result = Result(("train", "..."), child.returncode, out, err, 0)
    expect(child.returncode == 130, f"status {child.returncode}, expected 130", result)
    result.says("interrupted after step", str(folder / "s"))
    expect(leftovers(folder) == ["l", "s"], f"{leftovers(folder)}", result)
    lines = [json.loads(line) for line in (folder / "l").read_text().splitlines()]
    steps = int(re.search(r"interrupted after step (\d+)", result.err)[1])
    expect(lines[-1]["result"]["interrupted"] and lines[-1]["result"]["steps"] == steps == lines[-2]["step"],
           f"{lines[-2:]}", result)
    evaluated = t.run("eval", folder / "s", t.data, "--device", "reference")
    expect(f"  step {steps} of a run that" in evaluated.out, "the checkpoint does not say which step", evaluated)
    return result, evaluated.digest()


@case("SIGINT: the step is finished, --save is written and can be evaluated, status 130")
def _(t):
    result, digest = interrupt(t, signal.SIGINT)
    expect(result.out.endswith(f"weights sha256 {digest}\n") and "accuracy" not in result.out, "another digest", result)


@case("SIGTERM: the same; with --json one object that says so")
def _(t):
    result, digest = interrupt(t, signal.SIGTERM, "--json")
    o = one_object(result)
    expect(o["interrupted"] is True and o["weights_sha256"] == digest and o["accuracy"] is None, f"{o}")


@case("SIGHUP, even twice, as a closing terminal sends it: the same")
def _(t):
    interrupt(t, signal.SIGHUP)
    folder = t.place()
    child = begin_long(t, "--save", folder / "s")
    for _ in range(5):
        child.send_signal(signal.SIGHUP)
        time.sleep(0.001)
    out, err = child.communicate(timeout=30)
    result = Result(("train",), child.returncode, out, err, 0)
    expect(child.returncode == 130 and leftovers(folder) == ["s"], f"status {child.returncode}, {leftovers(folder)}",
           result)
    result.says("interrupted after step", str(folder / "s"))


@case("SIGHUP that the parent ignores, as nohup does, stays ignored")
def _(t):
    child = begin_long(t, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    for _ in range(2):
        child.send_signal(signal.SIGHUP)
        time.sleep(0.1)
    expect(child.poll() is None, f"it ended with {child.returncode}")
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=30)
    expect(child.returncode == 130, f"status {child.returncode}")


@case("SIGUSR1 writes --save, and training goes on to the same weights; with --validation, too")
def _(t):
    for more in ((), ("--validation", "40", "--batch", "50")):
        folder = t.place()
        child = begin_long(t, "--save", folder / "s", "--log", folder / "l", *more)
        seen = []
        for _ in range(2):
            child.send_signal(signal.SIGUSR1)
            line = read_until(child, b"SIGUSR1")
            seen.append(int(re.search(r"after step (\d+)", line)[1]))
            expect(str(folder / "s") in line, line)
            evaluated = t.run("eval", folder / "s", t.data, "--device", "reference")
            expect(f"  step {seen[-1]} of a run that" in evaluated.out, "the checkpoint does not say which step",
                   evaluated)
        child.send_signal(signal.SIGTERM)
        out, err = child.communicate(timeout=30)
        result = Result(("train",), child.returncode, out, err, 0)
        expect(child.returncode == 130 and 0 < seen[0] < seen[1], f"{seen}", result)
        steps = [json.loads(line) for line in (folder / "l").read_text().splitlines()]
        count = [line["step"] for line in steps if "step" in line]
        expect(count == list(range(1, len(count) + 1)), "steps were left out, or done twice", result)
        looks = [line["validation"]["step"] for line in steps if "validation" in line]
        expect(looks == sorted(set(looks)), f"{looks}")
        if seen[1] < 100000 and not more:
            expect(t.train("--batch", "240", "--steps", seen[1]).digest() == evaluated.digest(),
                   f"not the weights after step {seen[1]}")


@case("pocl: SIGUSR1 writes --save, although its compiler catches that signal, too", needs="pocl")
def _(t):
    folder = t.place()
    child = begin_long(t, "--device", "pocl", "--save", folder / "s", env=POCL)
    child.send_signal(signal.SIGUSR1)
    expect(str(folder / "s") in read_until(child, b"SIGUSR1") and (folder / "s").exists(), "no checkpoint")
    child.kill()
    child.communicate()


@case("SIGUSR1 without --save, or with a file that cannot be written: it is said, and training goes on")
def _(t):
    folder = t.place()
    for arguments, text in (((), b"no --save"), (("--save", folder / "gone" / "s"), b"No such file")):
        (folder / "gone").mkdir(exist_ok=True)
        child = begin_long(t, *arguments)
        (folder / "gone").rmdir()
        child.send_signal(signal.SIGUSR1)
        read_until(child, text)
        expect(child.poll() is None, "it ended")
        child.kill()
        child.communicate()


@case("an interrupted run has the weights of a run of so many steps")
def _(t):
    result, digest = interrupt(t, signal.SIGINT)
    steps = re.search(r"interrupted after step (\d+)", result.err)[1]
    if int(steps) > 100000:
        raise Skip("too many steps to do again")
    expect(t.train("--batch", "240", "--steps", steps).digest() == digest, f"{steps} steps give other weights", result)


@case("SIGINT that the parent ignores stays ignored; SIGTERM then ends the run")
def _(t):
    child = begin_long(t, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    for _ in range(2):
        child.send_signal(signal.SIGINT)
        time.sleep(0.1)
    expect(child.poll() is None, f"it ended with {child.returncode}")
    child.send_signal(signal.SIGTERM)
    err = child.communicate(timeout=30)[1].decode()
    expect(child.returncode == 130 and "interrupted after step" in err, f"status {child.returncode}: {err}")


@case("a second SIGINT quits at once, without --save")
def _(t):
    folder = t.place()
    (folder / "large").write_text("input 64\ndense 3000\nrelu\ndense 3000\nrelu\ndense 3000\nrelu\ndense 4\n")
    child = t.start("train", folder / "large", t.data, "--device", "reference", "--batch", "240", "--save",
                    folder / "s")
    while line := child.stdout.readline():  # the head is printed when training begins
        if line.startswith(b"settings"):
            break
    time.sleep(0.3)
    child.send_signal(signal.SIGINT)
    time.sleep(0.2)
    expect(child.poll() is None, "the first quits at once")
    child.send_signal(signal.SIGINT)
    begin = time.monotonic()
    err = child.communicate(timeout=30)[1].decode()
    expect(child.returncode == 130 and "interrupted" not in err, f"status {child.returncode}: {err}")
    expect(time.monotonic() - begin < 1, "not at once")
    expect(leftovers(folder) == ["large"], f"{leftovers(folder)}")


@case("SIGINT while the test split is measured quits at once, after --save")
def _(t):
    folder = t.place()
    (folder / "large").write_text("input 64\ndense 3000\nrelu\ndense 3000\nrelu\ndense 4\n")
    data = make_set(folder / "d", test=6000)
    child = t.start("train", folder / "large", data, "--device", "reference", "--batch", "1", "--steps", "1", "--save",
                    folder / "s")
    for line in child.stderr:
        if line.startswith(b"step 1/1"):
            break
    while not (folder / "s").exists():
        time.sleep(0.01)
    time.sleep(0.1)
    expect(child.poll() is None, "it has ended before")
    child.send_signal(signal.SIGINT)
    begin = time.monotonic()
    err = child.communicate(timeout=30)[1].decode()
    expect(child.returncode == 130 and time.monotonic() - begin < 1,
           f"status {child.returncode}, {time.monotonic() - begin:.1f} s: {err}")
    expect(leftovers(folder, "large", "d") == ["s"], f"{leftovers(folder)}")


@case("SIGINT while nothing is trained yet quits at once")
def _(t):
    folder = t.place() / "d"
    shutil.copytree(t.data, folder)
    child = t.start("verify", "--device", "reference", "--cases", "100000")
    time.sleep(0.3)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=10)
    expect(child.returncode == 130, f"status {child.returncode}")


@case("SIGINT with --validation: status 130, the weights of so many steps, what was measured until then")
def _(t):
    folder = t.place()
    child = begin_long(t, "--validation", "40", "--batch", "50", "--json", "--save", folder / "s")
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    result = Result(("train", "..."), child.returncode, out, err, 0)
    expect(child.returncode == 130, f"status {child.returncode}, expected 130", result)
    o = one_object(result)
    expect(o["weights_sha256"] == t.run("eval", folder / "s", t.data, "--device", "reference").digest()
           and o["interrupted"] is True, f"{o}")
    measured, epochs = [v["step"] for v in o["validation"]], list(range(4, o["steps"] + 1, 4))
    cut = o["steps"] % 4 == 0 and measured == epochs[:-1]  # the signal came with an epoch's last step
    expect(measured == epochs or cut, f"{o['steps']} steps: {o['validation'][-3:]}", result)


if __name__ == "__main__":
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # below nohup it would stay ignored
    sys.exit(main(__doc__))
