#!/usr/bin/env python3
"""Runs over several devices, and over processes of Open MPI and MPICH. TASSELLO_RANKS=all: more numbers of ranks, and
more ranks that are killed, at more moments."""
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from checks import forecast, POCL
from common import below_layer, case, count_calls, expect, leftovers, main, make_set, POCL_ICD, Result, Skip

ALL = os.environ.get("TASSELLO_RANKS") == "all"
NET = ("input data normalize\naugment shift 1\nconv2d 4 3 padding 1\nbatch_norm\nrelu\nmax_pool 2\nflatten\n"
       "dense 40\ntanh\ndropout 0.2\ndense data\nloss data\n")
LAUNCHERS = {"openmpi": ("mpirun.openmpi", "--allow-run-as-root", "--oversubscribe"), "mpich": ("mpirun.mpich",)}
# 240 examples: the last batch has 15, and batches of 5 leave shards empty.
SETTINGS = (("--batch", "25", "--epochs", "2"), ("--batch", "5", "--steps", "9", "--optimizer", "adam", "--clip", "1"),
            ("--batch", "240", "--steps", "4", "--optimizer", "lamb"))


def net(t):
    """Written once, and whole at once, as cases run side by side."""
    file = t.root / "ranks net"
    if not file.exists():
        part = t.place() / "net"
        part.write_text(NET)
        os.replace(part, file)
    return file


def words(t, *more):
    return ("train", net(t), t.data, "--shards", "8", *more)


def launcher(t, name):
    module = Path(t.program).parent.parent / f"libtassello-{name}.so"
    if not shutil.which(LAUNCHERS[name][0]) or not module.exists():
        raise Skip(f"{name} is not there")
    return LAUNCHERS[name]


def start(t, name, count, *arguments, env=None):
    command = [*launcher(t, name), "-n", count, t.program, *arguments]
    child = subprocess.Popen([*map(str, command)], env={**t.environment, "POCL_MAX_PTHREAD_COUNT": "1", **(env or {})},
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             start_new_session=True)
    t.children.append(child)
    return child


def finish(child, arguments, timeout=120):
    begin = time.monotonic()
    try:
        out, err = child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        out, err = child.communicate()
        raise AssertionError(f"hangs\n{Result(arguments, 'none', out, err, timeout)}") from None
    return Result(arguments, child.returncode, out, err, time.monotonic() - begin)


def ranks(t, name, count, *arguments, status=0, **more):
    result = finish(start(t, name, count, *arguments, **more), arguments)
    if status is not None:
        expect(result.status == status, f"status {result.status}, expected {status}", result)
    return result


def members(child, count):
    """The processes of a job, in the order of their ranks."""
    for _ in range(200):
        pids = subprocess.run(["ps", "-eo", "pid=,sid=,comm="], capture_output=True, text=True, check=True).stdout
        found = [int(p) for p, s, c in (line.split(None, 2) for line in pids.splitlines())
                 if c == "tassello" and env_of(int(p)).get("TASSELLO_TEST_JOB") == str(child.job)]
        by_rank = {int(e.get("OMPI_COMM_WORLD_RANK", e.get("PMI_RANK", -1))): p for p in found for e in (env_of(p),)}
        if len(by_rank) == count:
            return [by_rank[r] for r in range(count)]
        time.sleep(0.05)
    raise AssertionError(f"{count} processes did not start")


def env_of(pid):
    try:
        text = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    except OSError:
        return {}
    return dict(pair.split("=", 1) for pair in text.split("\0") if "=" in pair)


@case("the digest is that of one device, whatever the number of ranks")
def _(t):
    for settings in SETTINGS:
        alone = t.run(*words(t, *settings, "--device", "reference"))
        for count in (2, 3, 4, 5, 8) if ALL else (2, 5):
            for name in LAUNCHERS:
                try:
                    found = ranks(t, name, count, *words(t, *settings, "--device", "reference"))
                except Skip:
                    continue
                expect(found.digest() == alone.digest(), f"{count} ranks of {name}: another digest", found)
                expect(found.out == alone.out or "forecast" in found.out, "rank 0 alone prints", found)
    launcher(t, "openmpi")


@case("several devices of one process")
def _(t):
    lists = ["reference,reference", "reference,reference,reference"]
    env = {}
    if os.path.exists(POCL_ICD):
        env = POCL
        lists += ["pocl,reference", "pocl,pocl", "reference,pocl,reference"]
    for settings in SETTINGS:
        alone = t.run(*words(t, *settings, "--device", "reference"))
        for devices in lists:
            found = t.run(*words(t, *settings, "--device", devices), env=env)
            expect(found.digest() == alone.digest(), f"{devices}: another digest", found)


def below(t):
    """With the cache of all cases, as none makes a device wrong."""
    return below_layer(t, folder=t.environment["XDG_CACHE_HOME"])


def count_reads(t, env, settings):
    """How many reads a run makes. Shares, and so the number of reads, differ from run to run with the speeds that are
    measured."""
    for _ in range(2):  # the first one tests kernels
        _, calls = count_calls(t, env, lambda logged: t.run(*settings, env=logged))
    return calls["clEnqueueReadBuffer"]


@case("a run goes on without a device that fails, with the same bits", needs="pocl")
def _(t):
    env = below(t)
    settings = words(t, "--batch", "25", "--epochs", "6", "--optimizer", "adam")
    alone, draw, gone = t.run(*settings, "--device", "reference"), random.Random(1), 0
    reads = count_reads(t, env, (*settings, "--device", "reference,pocl"))
    for nth in sorted(draw.randint(reads // 8, reads // 3) for _ in range(20 if ALL else 3)):
        rule = f"call=clEnqueueReadBuffer;nth={nth};times=0;code=-36"
        found = t.run(*settings, "--device", "reference,pocl", env={**env, "TASSELLO_FAULT": rule})
        expect(found.digest() == alone.digest(), f"{rule}: another digest", found)
        gone += "the run goes on without it" in found.err
    expect(gone, "no device was left out")


@case("a run goes on without a device that hangs, and the process ends", needs="pocl")
def _(t):
    env = below(t)
    settings = words(t, "--batch", "25", "--epochs", "6", "--device", "reference,pocl")
    alone = t.run(*settings[:-1], "reference")
    reads = count_reads(t, env, settings)
    for part in (0.4, 0.2, 0.1):  # other shares have other kernels, whose first use is tested, and fewer reads
        rule = f"call=clEnqueueReadBuffer;nth={int(part * reads)};times=0;pause=600000"
        found = t.run(*settings, env={**env, "TASSELLO_FAULT": rule}, timeout=120)
        expect(found.digest() == alone.digest(), "another digest", found)
        if "hangs" in found.err:
            break
    found.says("device 2 of 2, pocl: hangs", "the run goes on without it")


def job_of(t, *ranks):
    """A job of Open MPI, of pairs: what a rank's environment has besides, and its arguments."""
    line = [*launcher(t, "openmpi")]
    for more, arguments in ranks:
        line += [*([":"] if "-n" in line else []), "-n", "1", "env", *[f"{k}={v}" for k, v in more.items()], t.program,
                 *map(str, arguments)]
    child = subprocess.Popen(line, env=t.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, start_new_session=True)
    t.children.append(child)
    return finish(child, line)


@case("what slows a rank down for a moment while speeds are measured does not decide its share", needs="pocl")
def _(t):
    env = {**below(t), "POCL_MAX_PTHREAD_COUNT": "1"}
    settings = words(t, "--batch", "25", "--epochs", "2", "--device", "pocl", "--json")
    t.run(*settings, env=env)  # which tests kernels
    # The wait at the end of the first measurement is among the first three; longer than 0.5 s, it is the only one.
    slow = {**env, "TASSELLO_FAULT": "call=clFinish;nth=1;times=3;pause=700"}
    found = job_of(t, (env, settings), (slow, settings))
    expect(found.status == 0, f"status {found.status}", found)
    shards = json.loads(found.out)["ranks"]["shards"]
    expect(sum(shards) == 8 and len(shards) == 2, f"{shards}: expected 8 in all", found)
    expect(shards[1] > 1, f"{shards}: the one measurement that was disturbed counts", found)


@case("under MPI a device that fails or hangs ends the job, and the message names it", needs="pocl")
def _(t):
    env = below(t)
    settings = words(t, "--batch", "25", "--epochs", "6", "--device", "pocl")
    head = launcher(t, "openmpi")
    other = [t.program, *map(str, settings[:-1]), "reference"]
    def job(below):
        last = ["env", *[f"{k}={v}" for k, v in below.items()], t.program, *map(str, settings)]
        command = [*head, "-n", "2", *other, ":", "-n", "1", *last]
        return finish(subprocess.Popen(command, env=t.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, start_new_session=True), command)
    t.run(*settings, env=env)  # which tests kernels
    whole, calls = count_calls(t, env, job)
    expect(whole.status == 0, f"status {whole.status}", whole)
    # A quarter of what the rank reads: shares, and so the reads, differ with the speeds that are measured.
    nth = calls["clEnqueueReadBuffer"] // 4
    for more, what in (("code=-36", "CL_INVALID_COMMAND_QUEUE"), ("pause=600000", "hangs")):
        found = job({**env, "TASSELLO_FAULT": f"call=clEnqueueReadBuffer;nth={nth};times=0;{more}"})
        expect(found.status, "status 0", found)
        found.says("rank 2 (", "pocl", what)


@case("a device that hangs before the first step, or the first one at any time, ends the run, and is named",
      needs="pocl")
def _(t):
    env = {**below(t), "POCL_MAX_PTHREAD_COUNT": "1"}
    settings = words(t, "--batch", "25", "--epochs", "6", "--device")
    pocl, reference = (*settings, "pocl"), (*settings, "reference")
    def hang(call, nth):
        return {**env, "TASSELLO_FAULT": f"call={call};nth={nth};times=0;pause=600000"}
    t.run(*pocl, env=env)  # which tests kernels
    whole, calls = count_calls(t, env, lambda logged: job_of(t, (logged, pocl), ({}, reference)))
    later = calls["clEnqueueReadBuffer"] // 2
    local = lambda devices, fault: lambda: t.run(*settings, devices, env=fault, status=1, timeout=60)
    job = lambda *members: lambda: job_of(t, *members)
    runs = ((job(({}, reference), (hang("clFinish", 1), pocl)), ("rank 1 (", "pocl", "hangs")),
            (job((hang("clFinish", 1), pocl), ({}, reference)), ("rank 0 (", "hangs")),
            (job((hang("clEnqueueReadBuffer", later), pocl), ({}, reference)), ("rank 0 (", "hangs")),
            (local("reference,pocl", hang("clFinish", 1)), ("device 2 of 2, pocl: hangs",)),
            (local("pocl,reference", hang("clFinish", 1)), ("device 1 of 2", "hangs")),
            (local("pocl,reference", hang("clEnqueueReadBuffer", later)), ("device 1 of 2, pocl: hangs",)))
    with ThreadPoolExecutor(len(runs)) as pool:
        for result, (_, says) in zip(pool.map(lambda run: run[0](), runs), runs):
            expect(result.status, "status 0", result)
            result.says(*says)
            expect(result.seconds < 12 + 3 * whole.seconds, f"it took {result.seconds:.1f} s to end", result)


@case("each rank has a budget of its own")
def _(t):
    settings = ("--batch", "25", "--epochs", "2", "--device", "reference")
    alone = t.run(*words(t, *settings))
    least = forecast(t, "--batch", "25", "--shards", "8", "--ranks", "2", net=net(t))["min_budget"]
    def job(command, *budgets):
        head, line = launcher(t, "openmpi"), []
        for budget in budgets:
            line += [*([":"] if line else []), "-n", "1", t.program, *map(str, command),
                     *(["--budget", str(budget)] if budget else [])]
        child = subprocess.Popen([head[0], *head[1:], *line], env=t.environment, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        return finish(child, line)
    command = words(t, *settings)
    for budgets in ((None, least), (2 * least, least), (4 * least, None)):
        found = job(command, *budgets)
        expect(found.status == 0 and found.digest() == alone.digest(), f"{budgets}: another digest", found)
    job(command, None, 1).says("rank 1 (", "budget")
    file = t.checkpoint(t.place() / "s")
    large = make_set(t.root / "data to judge", train=40, test=1500)
    for command in (("eval", file, large), ("predict", file, large / "t10k-images-idx3-ubyte")):
        found = job((*command, "--device", "reference"), None, 1).says("rank 1 (", "budget", "rank 0", "alone")
        expect(found.status == 0 and found.out == t.run(*command, "--device", "reference").out, "other output", found)


@case("a run is resumed with another number of ranks")
def _(t):
    settings = ("--batch", "25", "--optimizer", "adamw")
    whole = t.run(*words(t, *settings, "--epochs", "4", "--device", "reference"))
    folder = t.place()
    ranks(t, "openmpi", 3, *words(t, *settings, "--epochs", "1", "--device", "reference", "--save", folder / "s"))
    resume = ("train", net(t), t.data, "--resume", folder / "s", "--save", folder / "s", "--device", "reference")
    ranks(t, "openmpi", 2, *resume, "--epochs", "2")
    t.run(*resume[:-1], "reference,reference", "--epochs", "3")
    last = t.run(*resume, "--epochs", "4")
    expect(last.digest() == whole.digest(), "another digest", last)
    expect(leftovers(folder) == ["s"], f"{leftovers(folder)}")


@case("another network, other settings or examples on a rank are refused, and the rank is named")
def _(t):
    base = [t.program, *map(str, words(t, "--epochs", "1", "--device", "reference"))]
    other = t.root / "other net"
    other.write_text(NET.replace("tanh", "relu"))
    cut = t.root / "other data"
    if not cut.exists():
        shutil.copytree(t.data, cut)
        images = cut / "train-images-idx3-ubyte"
        images.write_bytes(images.read_bytes()[:-1] + b"x")
    for what, changed in (("network", [base[0], base[1], str(other), *base[3:]]),
                          ("settings", [*base, "--lr", "0.5"]),
                          ("training examples", [*base[:3], str(cut), *base[4:]])):
        command = [*launcher(t, "openmpi"), "-n", "1", *base, ":", "-n", "1", *changed]
        result = finish(subprocess.Popen(command, env=t.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                         stdin=subprocess.DEVNULL, start_new_session=True), command)
        expect(result.status, "not refused", result)
        result.says("rank 1 (", what)
    ranks(t, "openmpi", 3, *words(t, "--epochs", "1", "--device", "reference")[:-1], "nonesuch",
          status=None).says("nonesuch")
    ranks(t, "openmpi", 3, "train", net(t), t.data, "--shards", "2", "--device", "reference",
          status=None).says("3 ranks: expected at least as many shards")


@case("an evaluation over ranks has the figures of one device")
def _(t):
    file = t.checkpoint(t.place() / "s")
    large = make_set(t.root / "large data", train=40, test=1500)
    for more in ((), ("--json",), ("--metrics",)):
        words_ = ("eval", file, large, "--device", "reference", *more)
        alone = t.run(*words_)
        for count in (2, 3, 5) if ALL else (3,):
            found = ranks(t, "openmpi", count, *words_)
            strip = lambda text: re.sub(r'"(?:peak_bytes|host_bytes)": ?\d+|^peak.*$', "", text, flags=re.M)
            expect(strip(found.out) == strip(alone.out), "other figures", found)


@case("predictions over ranks are those of one device, in each form")
def _(t):
    file = t.checkpoint(t.place() / "s")
    for data in (make_set(t.root / "to predict", train=4, test=37), make_set(t.root / "two", train=4, test=2)):
        images = data / "t10k-images-idx3-ubyte"
        for more in ((), ("--top", "2"), ("--csv",), ("--json",), ("--budget", "1M")):
            words_ = ("predict", file, images, "--device", "reference", *more)
            alone = t.run(*words_)
            for count in (2, 3, 5, 8) if ALL else (3,):
                for name in LAUNCHERS if ALL else ("openmpi",):
                    found = ranks(t, name, count, *words_)
                    expect(found.out == alone.out, f"{count} ranks: another output", found)
        found = ranks(t, "openmpi", 3, *words_[:-2], "--budget", "1", status=None)
        expect(found.status == 1, "a budget of one byte", found)
    found = t.run("predict", file, images, "--device", "reference,reference").says("reference alone is used")
    expect(found.out == t.run("predict", file, images, "--device", "reference").out, "another output", found)
    ranks(t, "openmpi", 2, "predict", file, t.root / "nothing", "--device", "reference",
          status=None).says("nothing: No such file")


@case("a small sweep over ranks")
def _(t):
    result = ranks(t, "openmpi", 2, "sweep", t.net, t.data, "--shards", "2", "--device", "reference", "--batches",
                   "8,16", "--target-accuracy", "0.9", "--brief", "--time", "20s", status=None)
    expect(result.status in (0, 1) and "batch" in result.out, "no result", result)


def interrupt(t, name, rank, number, after):
    """A job of three of which one gets a signal; gives the result, and the folder of its checkpoints."""
    folder = t.place()
    job = f"{os.getpid()}.{random.randrange(1 << 30)}"
    arguments = words(t, "--batch", "25", "--epochs", "100000", "--device", "reference", "--save", folder / "s",
                      "--save-every", "7")
    child = start(t, name, 3, *arguments, env={"TASSELLO_TEST_JOB": job})
    child.job = job
    pids = members(child, 3)
    for _ in range(200):
        if (folder / "s").exists():
            break
        time.sleep(0.05)
    time.sleep(after)
    os.kill(pids[rank], number)
    result = finish(child, arguments, timeout=30)
    for pid in pids:  # one that was stopped
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    expect(result.seconds < 12, f"it took {result.seconds:.1f} s to end", result)
    expect(result.status, "status 0", result)
    return result, folder


def saved_step(file):
    raw = file.read_bytes()
    head = json.loads(raw[8:8 + int.from_bytes(raw[:8], "little")])
    return json.loads(head["__metadata__"]["tassello.state"])["step"]


@case("a rank that is killed or stopped ends the others, and the last checkpoint is whole")
def _(t):
    draw = random.Random(int(os.environ.get("TASSELLO_SEED", random.randrange(1 << 30))))
    kinds = [("openmpi", 0, signal.SIGKILL), ("openmpi", 2, signal.SIGKILL), ("openmpi", 1, signal.SIGSTOP)]
    if ALL:
        kinds += [(name, rank, number) for name in LAUNCHERS for rank in range(3)
                  for number in (signal.SIGKILL, signal.SIGSTOP)] * 2
    for name, rank, number in kinds:
        try:
            result, folder = interrupt(t, name, rank, number, draw.uniform(0, 1))
        except Skip:
            if name == "openmpi":
                raise
            continue
        if number == signal.SIGSTOP and rank:
            result.says(f"rank {rank} (", "has not answered for 5 s")
        steps = saved_step(folder / "s") + 3
        t.run("train", net(t), t.data, "--resume", folder / "s", "--steps", steps, "--device", "reference")


@case("what a launcher of another MPI starts is told apart")
def _(t):
    env = {"OMPI_COMM_WORLD_SIZE": "2"}
    result = t.train("--epochs", "1", status=None, env=env)
    expect(result.status, "two processes were expected", result)
    expect(re.search(r"MPI|module", result.err), "no reason", result)
    t.train("--epochs", "1", status=None, env={"SLURM_STEP_NUM_TASKS": "2"}).says("expected srun --mpi=pmix or pmi2")


if __name__ == "__main__":
    sys.exit(main(__doc__))
