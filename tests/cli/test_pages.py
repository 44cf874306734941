#!/usr/bin/env python3
"""The manual page and the completion for bash."""
import re
import shutil
import subprocess
import sys

from common import case, COMMANDS, expect, main, one_object, Skip


def check_page(t, name, text):
    """The page's plain text; no tool at hand has a complaint."""
    page = t.place() / name
    page.write_bytes(text)
    tried = 0
    for words in (["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page],
                  ["groff", "-man", "-ww", "-z", page], ["mandoc", "-T", "lint", page]):
        if not shutil.which(words[0]):
            continue
        tried += 1
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        said = done.stderr + (done.stdout if words[0] == "mandoc" else "")
        expect(not said.strip(), f"{words[0]}: {said.splitlines()[:5]}")
    if not tried:
        raise Skip("neither man nor groff nor mandoc")
    return page.read_text().replace("\\-", "-").replace("\\(aq", "'")


@case("tassello(1): renders without a warning, names every option and the files of a data set")
def _(t):
    text = check_page(t, "tassello.1", t.run("--man").raw)
    for name in COMMANDS:
        for option in re.findall(r"--[a-z0-9-]+", t.run(name, "--help").out):
            expect(option in text or option == "--help", f"{option} of {name} is missing")
    for file in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                 "t10k-labels-idx1-ubyte"):
        expect(file in text, f"{file} is missing")
    expect("tassello-network (5)" in text, "the other page is not named")
    for line in re.findall(r"^  (tassello .*)$", t.run("train", "--help").out, re.M):
        expect(f"\n{line}\n" in text, f"{line!r} is missing, or broken")


@case("tassello-network(5): renders without a warning, has every layer and what it says of padding")
def _(t):
    text = check_page(t, "tassello-network.5", t.run("--man-network").raw)
    for name in ("mlp", "lenet", "cnn", "resnet20", "densenet-small"):
        for row in one_object(t.run("inspect", name, "--json"))["layers"]:
            expect(re.search(rf"^\\fB{row['layer']}\\fR", text, re.M), f"{row['layer']} is missing")
    for words in ("stride S", "init he|glorot", "count_include_pad", "CxHxW", "20c5-mp2-50c5-mp2-500-10"):
        expect(words in text, f"{words} is missing")


COMPLETIONS = [
    ("tassello tr", ["train"]),
    ("tassello ", [*COMMANDS, "help", "--help", "--version"]),
    ("tassello help tr", ["train"]),
    ("tassello inspect le", ["lenet"]),
    ("tassello plan ml", ["mlp"]),
    ("tassello plan mlp da", ["da ta"]),
    ("tassello plan mlp --budget 1G da", ["da ta"]),
    ("tassello plan mlp --b", ["--batch", "--batch-schedule", "--budget", "--bandwidth"]),
    ("tassello devices --net cn", ["cnn"]),
    ("tassello train --dev", ["--device"]),
    ("tassello train --device re", ["reference"]),
    ("tassello train --arith ", ["exact", "fast"]),
    ("tassello train ml", ["mlp"]),
    ("tassello train mlp --save x da", ["da ta"]),
    ("tassello eval no", ["not.a.folder"]),
    ("tassello train mlp no", ["not.a.folder"]),
    ("tassello train mlp --format id", ["idx"]),
    ("tassello eval --missing ", ["error", "mean", "drop"]),
    ("tassello verify --al", ["--all"]),
    ("tassello nothing ", []),
    ("tassello train --batch ", ["auto", "grow"]),
]


@case("bash completion: sources silently and completes commands, options, devices, networks and files")
def _(t):
    if not shutil.which("bash"):
        raise Skip("no bash")
    folder = t.place()
    (folder / "tassello.bash").write_bytes(t.run("--bash-completion").raw)
    (folder / "da ta").mkdir()
    (folder / "not.a.folder").write_text("")
    (folder / "tassello").symlink_to(t.program)
    env = {**t.environment, "PATH": f"{folder}:{t.environment['PATH']}"}
    script = ("set -u; . ./tassello.bash; COMP_LINE=$1; read -r -a COMP_WORDS <<<\"$1\";"
              "[[ $1 != *' ' ]] || COMP_WORDS+=(''); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _tassello;"
              "(( ! ${#COMPREPLY[@]} )) || printf '%s\\n' \"${COMPREPLY[@]}\"")
    for line, wanted in COMPLETIONS:
        done = subprocess.run(["bash", "--norc", "-c", script, "bash", line], cwd=folder, env=env, capture_output=True,
                              text=True, check=False)
        expect(done.returncode == 0 and not done.stderr, f"{line!r}: {done.stderr}")
        expect(done.stdout.splitlines() == wanted, f"{line!r}: {done.stdout.splitlines()}, expected {wanted}")


if __name__ == "__main__":
    sys.exit(main(__doc__))
