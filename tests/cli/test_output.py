#!/usr/bin/env python3
"""Writing --save, --log and stdout, and what happens when it fails."""
import contextlib
import os
import resource
import signal
import subprocess
import sys

from common import case, CRASH, expect, LAST, leftovers, main, NET, Skip


@contextlib.contextmanager
def mounted(folder, *options):
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "none", folder], capture_output=True,
                          check=False) \
        if os.geteuid() == 0 else None
    if not done or done.returncode:
        raise Skip("no right to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def no_training(result):
    expect("step " not in result.err and result.out == "", "it was found after the work", result)


@case("--save into a missing folder, onto a folder, below a file: status 1, before training")
def _(t):
    for path, text in (("/no/such/x", "No such file"), (t.data, "not a regular file"), (t.net / "x", "Not a directory"),
                       ("/dev/null", "not a regular file"), (t.root / ("x" * 300), "File name too long")):
        result = t.train("--save", path, status=1).says("--save", text)
        no_training(result)
        expect(str(path)[:250] in result.err, "the path is not named", result)


@case("--save into a folder without rights: status 1, before training")
def _(t):
    if os.geteuid():
        folder = t.place()
        folder.chmod(0o555)
        no_training(t.train("--save", folder / "x", status=1).says("--save", "Permission denied"))
        return
    with mounted(t.place() / "m", "ro") as folder:
        no_training(t.train("--save", folder / "x", status=1).says("--save", "Read-only file system"))


def full_disk(t, folder, more):
    """An older checkpoint outlives a save that fails, with nothing beside it."""
    old = t.checkpoint(folder / "c")
    before = old.read_bytes()
    large = t.place() / "large"
    large.write_text("input 64\ndense 500\nrelu\ndense 4\n")
    result = t.train("--steps", "2", "--save", old, net=large, status=1, **more).says(str(old), "cannot be written")
    expect(old.read_bytes() == before, "the older checkpoint was touched", result)
    expect(leftovers(folder) == ["c"], f"left behind: {leftovers(folder)}", result)
    expect(LAST.search(result.out), "the figures are lost, too", result)
    t.run("eval", old, t.data, "--device", "reference")
    return result


@case("--save on a full disk: status 1, the older checkpoint survives, nothing is left")
def _(t):
    with mounted(t.place() / "m", "size=64k") as folder:
        full_disk(t, folder, {}).says("No space left on device")


@case("--save beyond the limit of a file's size: the same")
def _(t):
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
    full_disk(t, t.place(), {"preexec_fn": limit}).says("File too large")


@case("--save: the file that is replaced keeps its mode, and what a killed run left of it goes")
def _(t):
    folder = t.place()
    t.checkpoint(folder / "c").chmod(0o604)
    (folder / "c.tassello-0123400").write_text("half a checkpoint")
    t.checkpoint(folder / "c")
    expect((folder / "c").stat().st_mode & 0o777 == 0o604, "another mode")
    expect(leftovers(folder) == ["c"], f"{leftovers(folder)}")


@case("--save onto a file with another mounted over it: status 1, before training")
def _(t):
    if os.geteuid() != 0:
        raise Skip("only root may mount")
    folder = t.place()
    for name in ("c", "host"):
        (folder / name).write_text(name)
    if subprocess.run(["mount", "--bind", folder / "host", folder / "c"]).returncode:
        raise Skip("this system does not let root mount")
    try:
        no_training(t.train("--save", folder / "c", status=1).says(f"--save {folder / 'c'}", "mounted"))
    finally:
        subprocess.run(["umount", folder / "c"], check=True)
    expect(leftovers(folder) == ["c", "host"] and (folder / "c").read_text() == "c", f"{leftovers(folder)}")


@case("--log to /dev/full: status 1 and a message, and --save is written all the same")
def _(t):
    folder = t.place()
    result = t.train("--epochs", "2", "--log", "/dev/full", "--save", folder / "s", status=1).says("--log /dev/full",
                                                                                                   "No space left")
    expect(result.digest() == t.run("eval", folder / "s", t.data, "--device", "reference").digest(), "another digest",
           result)
    expect(result.err.count("--log /dev/full") == 1, "said more than once", result)


@case("--log into a missing folder, onto a folder: status 1, before training")
def _(t):
    no_training(t.train("--log", "/no/such/x", status=1).says("--log /no/such/x", "No such file"))
    no_training(t.train("--log", t.data, status=1).says("--log", "Is a directory"))


@case("--log is left as it was where NET, DATA, the batch or the budget is refused")
def _(t):
    log = t.place() / "l"
    log.write_text("an earlier run")
    t.train("--log", log, net=t.place() / "none", status=1)
    t.train("--log", log, data=t.place() / "none", status=1)
    t.train("--log", log, "--batch", "241", status=2)
    t.train("--log", log, "--budget", "1", status=1)
    expect(log.read_text() == "an earlier run", "the log was emptied")


@case("--save and --log onto the network, by any of its names: status 2, and it is left as it was")
def _(t):
    folder = t.place()
    net = folder / "net"
    net.write_text(NET)
    (folder / "link").symlink_to(net)
    (folder / "hard").hardlink_to(net)
    for name in ("net", "./net", "link", "hard"):
        for option in ("--save", "--log"):
            t.fails(2, (f"{option} {name}", "NET"), "train", net, t.data, "--device", "reference", option, name,
                    cwd=folder)
    expect(net.read_text() == NET and leftovers(folder) == ["hard", "link", "net"], f"{leftovers(folder)}")
    (folder / "mlp").write_text("not the network that ships")
    t.fails(1, ("takes 784 values",), "train", "mlp", t.data, "--device", "reference", "--save", "mlp", cwd=folder)


@case("--save and --log onto a file of the data set, by any of its names: status 2, and it is left as it was")
def _(t):
    folder = t.place()
    (folder / "link").symlink_to(t.data / "t10k-labels-idx1-ubyte")
    before = (t.data / "t10k-labels-idx1-ubyte").read_bytes()
    for name in (t.data / "train-images-idx3-ubyte", t.data / "t10k-labels-idx1-ubyte", folder / "link"):
        for option in ("--save", "--log"):
            t.fails(2, (f"{option} {name}", "DATA"), "train", t.net, t.data, "--device", "reference", option, name)
    expect((t.data / "t10k-labels-idx1-ubyte").read_bytes() == before, "it was changed")


@case("stdout to /dev/full: status 1 and a message")
def _(t):
    for words in (("train", t.net, t.data, "--device", "reference", "--batch", "16", "--json"), ("devices",),
                  ("devices", "--json"),
                  ("inspect", "mlp"), ("inspect", "mlp", "--json"), ("plan", "mlp", "--device", "reference"),
                  ("--version",), ("--help",), ("verify", "--device", "reference", "--cases", "0", "--json", "-"),
                  ("--man",)):
        with open("/dev/full", "w") as full:
            t.run(*words, status=1, stdout=full).says("standard output cannot be written", "No space left")


@case("closed stdin, stdout, stderr: no file takes their place")
def _(t):
    folder = t.place()
    words = ("train", t.net, t.data, "--device", "reference", "--steps", "3", "--log", folder / "l", "--save",
             folder / "s")
    t.run(*words, preexec_fn=lambda: os.closerange(0, 3), status=None)
    t.run(*words, preexec_fn=lambda: os.close(1), status=1).says("standard output cannot be written")
    for line in (folder / "l").read_text().splitlines():
        expect(line.startswith("{"), f"the log holds {line!r}")
    t.run(*words, preexec_fn=lambda: os.close(2), status=0)
    for line in (folder / "l").read_text().splitlines():
        expect(line.startswith("{"), f"the log holds {line!r}")
    t.run("eval", folder / "s", t.data, "--device", "reference")


@case("stdout closed early: ends quietly")
def _(t):
    for words in (("devices",), ("train", t.net, t.data, "--device", "reference", "--epochs", "3"), ("--help",)):
        child = t.start(*words)
        child.stdout.close()
        err = child.stderr.read().decode()
        child.wait(60)
        child.stderr.close()
        expect(child.returncode in (0, -signal.SIGPIPE), f"status {child.returncode}: {err}")
        expect(not CRASH.search(err) and "rror" not in err, f"not quiet: {err}")


@case("two trainings into one --save file at once leave one whole checkpoint")
def _(t):
    folder = t.place()
    children = [t.start("train", t.net, t.data, "--device", "reference", "--batch", "16", "--steps", "9", "--seed", s,
                        "--save", folder / "s")
                for s in (1, 2, 3)]
    digests = [LAST.search(c.communicate(timeout=60)[0].decode())[3] for c in children]
    expect(t.run("eval", folder / "s", t.data, "--device", "reference").digest() in digests, "a mixture")
    expect(leftovers(folder) == ["s"], f"{leftovers(folder)}")


@case("train --save: what a link leads to is written, and the link stays one")
def _(t):
    folder = t.place()
    (folder / "there").mkdir()
    (folder / "link").symlink_to(folder / "there" / "file")
    (folder / "there" / "file").touch()
    t.train("--steps", "1", "--save", folder / "link")
    expect((folder / "link").is_symlink(), "the link is one no more")
    expect(leftovers(folder / "there") == ["file"] and (folder / "there" / "file").stat().st_size > 100,
           f"{leftovers(folder)}")


if __name__ == "__main__":
    sys.exit(main(__doc__))
