"""What the tests of the command share: running it, data sets for it, and the frame that counts.

    test_NAME.py TASSELLO [WORD]...    runs the cases whose names contain a WORD; all of them without one

Most cases use --device reference and need no driver; those that need PoCL are skipped without it. Data sets are made
here. Prints `ok N - name` lines, and writes them to $CK_TAP_LOG_FILE_NAME, from which tests/tap and tests/tally.py
count; what was skipped is named on stdout and not counted. Exit status 0, or 1 if a case failed.
"""
import contextlib
import fcntl
import gzip
import json
import os
import pty
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import traceback
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

POCL_ICD = "/etc/OpenCL/vendors/pocl.icd"
RUSTICL_ICD = "/etc/OpenCL/vendors/rusticl.icd"
LAST = re.compile(r"^test accuracy (\d\.\d{4}) loss (\d+\.\d{4})\nweights sha256 ([0-9a-f]{64})\n\Z", re.M)
LAST_MSE = re.compile(r"^test loss (\d+\.\d{4})\nweights sha256 ([0-9a-f]{64})\n\Z", re.M)
CRASH = re.compile(r"Sanitizer|runtime error:|Segmentation|stack smashing|free\(\)|malloc\(\)|Assertion|"
                   r"terminate called")
COMMANDS = ("devices", "data", "inspect", "plan", "train", "sweep", "advise", "eval", "predict", "export",
            "import", "bench", "tune", "verify", "bisect")
NET = "input 1x8x8\ndense 8\nrelu\ndense 4\n"
CASES = []


class Skip(Exception):
    pass


def case(name, needs=None):
    def add(function):
        CASES.append((name, function, needs))
        return function
    return add


def expect(condition, what, result=None):
    if not condition:
        raise AssertionError(what + (f"\n{result}" if result is not None else ""))


class Result:
    def __init__(self, arguments, status, out, err, seconds):
        self.arguments, self.status, self.seconds = arguments, status, seconds
        self.raw = out
        self.out, self.err = out.decode(errors="replace"), err.decode(errors="replace")

    def __str__(self):
        words = " ".join(map(repr, self.arguments))
        return f"  {words}\n  status {self.status}\n  stdout: {self.out[-800:]!r}\n  stderr: {self.err[-1500:]!r}"

    def says(self, *texts):
        """Each text is on stderr, and none of it is a crash."""
        for text in texts:
            expect(text in self.err, f"stderr does not say {text!r}", self)
        return self

    def digest(self):
        found = LAST.search(self.out) or LAST_MSE.search(self.out)
        expect(found, "the last two lines are not the result", self)
        return found.groups()[-1]


class Tool:
    """The command, and a folder of one's own for each case to work in."""

    def __init__(self, program):
        self.program = str(Path(program).resolve())
        self.root = Path(tempfile.mkdtemp(prefix="tassello cli "))  # with spaces: paths must bear them
        cache = os.environ.get("XDG_CACHE_HOME") or str(self.root / "cache")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "POCL_", "CK_"))}
        self.environment.update(
            OCL_ICD_VENDORS="/nonexistent", XDG_CACHE_HOME=cache, HOME=str(self.root), TERM="xterm",
            POCL_CACHE_DIR=cache + "/pocl/kcache")
        os.makedirs(cache + "/pocl/kcache", exist_ok=True)  # where PoCL itself looks: the suites in C share it
        self.data = make_set(self.root / "data set")
        self.children = []
        self.net = self.root / "small net.txt"
        self.net.write_text(NET)
        self.sanitized = b"__asan_init" in Path(self.program).read_bytes()

    def place(self):
        return Path(tempfile.mkdtemp(prefix="case ", dir=self.root))

    def start(self, *arguments, env=None, **more):
        child = subprocess.Popen([self.program, *map(str, arguments)], env={**self.environment, **(env or {})},
                                 **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
                                    **more})
        self.children.append(child)
        return child

    def end(self):
        for child in self.children:
            if child.poll() is None:  # its case has failed
                child.kill()
                child.wait()
        shutil.rmtree(self.root, ignore_errors=True)

    def run(self, *arguments, status=0, timeout=300, **more):
        begin = time.monotonic()
        child = self.start(*arguments, **more)
        try:
            out, err = child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
            result = Result(arguments, "none: it hangs", out or b"", err or b"", timeout)
            raise AssertionError(f"did not end within {timeout} s\n{result}") from None
        result = Result(arguments, child.returncode, out or b"", err or b"", time.monotonic() - begin)
        expect(not CRASH.search(result.err), "a crash", result)
        if status is not None:
            expect(result.status == status, f"status {result.status}, expected {status}", result)
        return result

    def terminal(self, *arguments, status=0, columns=None, env=None):
        """What a terminal shows that stdout and stderr are, of so many columns."""
        ours, theirs = pty.openpty()
        if columns:
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        child = self.start(*arguments, stdout=theirs, stderr=theirs, env=env)
        os.close(theirs)
        seen = b""
        with contextlib.suppress(OSError):
            while more := os.read(ours, 65536):
                seen += more
        os.close(ours)
        expect(child.wait() == status, f"status {child.returncode}: {seen[-300:]}")
        return seen.decode()

    def train(self, *arguments, net=None, data=None, device="reference", **more):
        """A short training; later options win over these."""
        head = ["train", net or self.net, data or self.data, "--batch", "16", "--lr", "0.05"]
        return self.run(*head, *(["--device", device] if device else []), *arguments, **more)

    def fails(self, status, texts, *arguments, **more):
        """Fails with that status: nothing on stdout, these texts on stderr, the command's name in front."""
        result = self.run(*arguments, status=status, **more)
        expect(result.out == "", "stdout is not empty", result)
        expect(result.err.startswith("tassello"), "stderr does not begin with the command's name", result)
        return result.says(*texts)

    def checkpoint(self, path, *arguments, **more):
        self.train("--steps", "3", "--save", path, *arguments, **more)
        return path


def write_idx(path, dims, payload, magic=None):
    head = struct.pack(">I",
                       0x0800 | len(dims) if magic is None else magic) + b"".join(struct.pack(">I", d) for d in dims)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(head + payload, 1))
    else:
        path.write_bytes(head + payload)


def make_set(folder, train=240, test=80, size=8, classes=4, suffix=""):
    """Noise around one pattern a class: a network learns it in a few steps."""
    draw = random.Random(1)
    folder.mkdir(parents=True)
    patterns = [draw.randbytes(size * size) for _ in range(classes)]
    for name, count in (("train", train), ("t10k", test)):
        labels = bytes(i % classes for i in range(count))
        noise = [draw.randbytes(size * size) for _ in range(count)]
        pixels = b"".join(bytes((3 * p + n) // 4 for p, n in zip(patterns[k], noise[i])) for i, k in enumerate(labels))
        write_idx(folder / f"{name}-images-idx3-ubyte{suffix}", (count, size, size), pixels)
        write_idx(folder / f"{name}-labels-idx1-ubyte{suffix}", (count,), labels)
    return folder


def npy(kind, shape, values):
    """An array as NumPy writes it; kind: one of struct's letters."""
    words = {"f": "<f4", "d": "<f8", "B": "|u1", "i": "<i4", "q": "<i8"}
    head = f"{{'descr': '{words[kind]}', 'fortran_order': False, 'shape': {tuple(shape)!r}, }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    data = struct.pack(f"<{len(values)}{kind}", *values)
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head.encode() + data


def write_npz(path, **arrays):
    """Arrays: (kind, shape, values)."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            archive.writestr(name + ".npy", npy(*array))
    return path


def below_layer(t, fault="", folder=None, **more):
    """Below the layer, with a cache of its own; the driver's cache is shared, so that nothing is compiled twice."""
    layer = os.environ.get("TASSELLO_FAULT_LAYER")
    if not layer:
        raise Skip("TASSELLO_FAULT_LAYER does not name the fault layer")
    drivers = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "pocl", "kcache")
    return {"OCL_ICD_VENDORS": POCL_ICD, "OPENCL_LAYERS": layer, "TASSELLO_FAULT": fault,
            "XDG_CACHE_HOME": str(folder or t.place()), "POCL_CACHE_DIR": drivers, **more}


def count_calls(t, env, run):
    """What run(env) gives below the layer, and how many calls of each name the driver gets."""
    log = t.place() / "counted"
    result = run({**env, "TASSELLO_FAULT_LOG": str(log)})
    return result, json.loads(log.read_text().splitlines()[-1])["calls"]


def png(width, height, pixels):
    """A gray picture."""
    def piece(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + pixels[k * width:(k + 1) * width] for k in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + piece(b"IHDR", head) + piece(b"IDAT", zlib.compress(rows)) + piece(b"IEND", b"")


def draw_table(count=200, size=5, seed=1):
    """Rows of numbers, a class of three that they decide on, and a value."""
    draw = random.Random(seed)
    rows = [[struct.unpack("f", struct.pack("f", draw.gauss(0, 1)))[0] for _ in range(size)] for _ in range(count)]
    labels = [(row[0] + row[1] > 0) + (row[2] > 0.5) for row in rows]
    values = [struct.unpack("f", struct.pack("f", 3 * row[0] - row[1] + 100))[0] for row in rows]
    return rows, labels, values


def flat(rows):
    return [value for row in rows for value in row]


def make_arrays(folder, count=200):
    """classes.npz, values.npz and x.npy of one table, and networks for them."""
    rows, labels, values = draw_table(count)
    x = ("f", (count, 5), flat(rows))
    write_npz(folder / "classes.npz", x=x, y=("i", (count,), labels))
    write_npz(folder / "values.npz", x=x, y=("f", (count,), values))
    (folder / "x.npy").write_bytes(npy(*x))
    (folder / "classes.net").write_text("input 5\ndense 12\nrelu\ndense 3\n")
    (folder / "values.net").write_text("input 5\ndense 12\nrelu\ndense 1\nloss mse\n")
    return rows, labels, values


def leftovers(folder, *expected):
    """Files that should not be there: a temporary one, say."""
    return sorted(set(os.listdir(folder)) - set(expected))


def one_object(result):
    expect(result.out.count("\n") == 1 and result.out.endswith("\n"), "stdout is not one line", result)
    return json.loads(result.out)


def attempt(t, function):
    """None where it passed, ("skip" or "fail", text) else."""
    begin = time.monotonic()
    try:
        function(t)
        if time.monotonic() - begin > 5:
            print(f"# {function.__code__.co_firstlineno}: {time.monotonic() - begin:.1f} s", flush=True)
    except Skip as skip:
        return "skip", str(skip)
    except Exception as error:  # whatever it is, the others go on
        text = str(error) if isinstance(error, AssertionError) and str(error) else traceback.format_exc()
        return "fail", text
    return None


def main(about):
    """Runs the cases of a file that says what it is about."""
    if len(sys.argv) < 2:
        sys.exit(about + "\n" + __doc__)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the command leaves an ignored signal ignored
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    t = Tool(sys.argv[1])
    chosen = [c for c in CASES if not sys.argv[2:] or any(word in c[0] for word in sys.argv[2:])]
    pocl = os.path.exists(POCL_ICD)
    failed = skipped = 0
    log = open(os.environ.get("CK_TAP_LOG_FILE_NAME", os.devnull), "w")
    log.write(f"1..{len(chosen)}\n")
    begin = time.monotonic()
    try:
        with ThreadPoolExecutor(max(2, os.cpu_count())) as pool:
            ends = [pool.submit(attempt, t, f) if needs != "pocl" or pocl else None for _, f, needs in chosen]
            for number, ((name, _, _), end) in enumerate(zip(chosen, ends), 1):
                end = end.result() if end else ("skip", f"no {POCL_ICD}")
                if end and end[0] == "skip":
                    skipped += 1
                    print(f"ok {number} - {name} # SKIP {end[1]}", flush=True)
                    continue
                line = f"{'not ok' if end else 'ok'} {number} - {name}"
                failed += bool(end)
                print(line, flush=True)
                log.write(line + "\n")
                if end:
                    print("\n".join("#   " + text for text in end[1].splitlines()), flush=True)
    finally:
        log.close()
        t.end()
    passed, seconds = len(chosen) - failed - skipped, time.monotonic() - begin
    print(f"# {passed} passed, {failed} failed, {skipped} skipped, in {seconds:.1f} s")
    return 1 if failed else 0
