#!/usr/bin/env python3
"""One number for one fact: every number that a sweep shows, in the terminal and on its report's page, is a rounding of
a figure of its JSON, or of one that follows from those by a formula of `follow()` below.

    test_numbers.py TASSELLO

Runs a small sweep on the reference, which needs no driver, and reads its output. Each number is also replaced by one
that is 9 % larger, which the test has to detect: always in tables, whose cells have a known figure, and mostly in
texts, whose numbers may be any figure of the right unit.
"""
import functools
import html.parser
import itertools
import json
import math
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "cli"))
from common import write_idx  # noqa: E402

SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600}
BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
NUMBER = re.compile(r"(?<![\w.])([-+\u2212]?\d+(?:\.\d+)?(?:e[-+]\d+)?)(?![\w]*\.?\d)"
                    r"(?:\s*(us|ms|min|KiB|MiB|GiB|%|[sh]\b))?")
# What is no figure: levels of confidence, thresholds and ranges of the method.
CONSTANTS = [r"95\s*%", r"([Ww]ithin|than|by) 5\s*%", r"5 % (better|longer)", r"32 (to|and) 128",
             r"(above|least) 0\.99 that", r"a 0 %", r"1\.25 times", r"first 2048", r"\d+(\.\d+)? standard errors"]
GEOMETRIC = ("steps", "examples", "epochs", "seconds")
LAST_DIGIT = 0.5 * (1 + 1e-4)


# Figures ------------------------------------------------------------------------------------------------------------


def t_below(t, freedom):
    """P(T < t), by Simpson's rule over the angle atan(t / sqrt(n)), in which the density is a power of a cosine."""
    if math.isinf(freedom):
        return 0.5 * (1 + math.erf(t / math.sqrt(2)))
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi)
    end, n = math.atan(t / math.sqrt(freedom)), 200
    sum_ = sum((1 if i in (0, n) else 4 if i % 2 else 2) * math.cos(end * i / n)**(freedom - 1) for i in range(n + 1))
    return 0.5 + scale * end / n / 3 * sum_


@functools.lru_cache(None)
def t_quantile(p, freedom):
    low, high = 0.0, 1.0
    while t_below(high, freedom) < p:
        low, high = high, 2 * high
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if t_below(middle, freedom) < p else (low, middle)
    return (low + high) / 2


class Figures:
    """Values by unit."""

    def __init__(self):
        self.plain, self.seconds, self.percent, self.bytes = set(), set(), set(), set()

    def add(self, value, name=""):
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            self.plain.add(float(value))
            if re.search(r"(^|_)(s|seconds)($|_low|_high)|^promised", name):
                self.seconds.add(float(value))
            if "memory" in name or name == "budget":
                self.bytes.add(float(value))
                self.plain.add(value / (1 << 20))
        return self

    def merge(self, other):
        for kind in ("plain", "seconds", "percent", "bytes"):
            getattr(self, kind).update(getattr(other, kind))
        return self

    def has(self, text, unit):
        """Whether one of them is rounded to this text."""
        text = text.replace("\u2212", "-")
        shown, (mantissa, _, exponent) = float(text), text.partition("e")
        step = 10.0**(int(exponent or 0) - len(mantissa.partition(".")[2]))
        digits = mantissa.lstrip("+-")
        if "." not in digits and len(digits) > 4:  # three figures that are known, zeros that are not
            step *= 10**min(len(digits) - len(digits.rstrip("0")), len(digits) - 3)
        values, scale = ((self.seconds, SECONDS[unit]) if unit in SECONDS else
                         (self.bytes, BYTES[unit]) if unit in BYTES else
                         (self.percent, 1) if unit == "%" else (self.plain, 1))
        return any(abs(value / scale - shown) <= step * LAST_DIGIT + 2e-9 * abs(shown) for value in values)


def is_mean(value):
    return isinstance(value, dict) and set(value) == {"mean", "spread", "seeds"}


def mean_figures(mean, name, geometric):
    """A mean over seeds, its standard deviation, and its 95 % interval."""
    f = Figures()
    unit = "s" if name == "seconds" else name
    f.add(mean["mean"], unit).add(mean["spread"], unit).add(mean["seeds"])
    if mean["mean"] is None or mean["spread"] is None:
        return f
    reach = t_quantile(0.975, mean["seeds"] - 1) * mean["spread"] / math.sqrt(mean["seeds"])
    f.add(mean["mean"] - reach, unit).add(mean["mean"] + reach, unit)
    if geometric:
        f.percent.add(100 * math.expm1(mean["spread"]))
        f.add(mean["mean"] * math.exp(-reach), unit).add(mean["mean"] * math.exp(reach), unit)
    return f


def collect(value, name="", skip=()):
    """All numbers of a part of the JSON."""
    f = Figures()
    if is_mean(value):
        return mean_figures(value, name, name in GEOMETRIC)
    if isinstance(value, dict):
        for key, one in value.items():
            if key not in skip:
                f.merge(collect(one, key, skip))
    elif isinstance(value, list):
        f.add(len(value))
        for one in value:
            f.merge(collect(one, name, skip))
    elif not isinstance(value, str):
        f.add(value, name)
    return f


def pairs(batches, name):
    """Two batches' means: their difference, or ratio, and how far its interval reaches (Welch's t, 95 %; for all pairs
    together by Bonferroni)."""
    f = Figures()
    geometric = name in GEOMETRIC
    unit = "" if geometric else name
    means = [(b[name]["mean"], b[name]["spread"], b[name]["seeds"]) for b in batches if b[name]["mean"] is not None]
    known = [m for m in means if m[1] is not None and m[2] > 1]
    count = len(known) * (len(known) - 1) / 2
    for (a, sa, na), (b, sb, nb) in itertools.permutations(means, 2):
        f.add(b - a, unit)
        if a > 0 and b > 0:
            f.add(b / a)
        if sa is None or sb is None:
            continue
        va, vb = sa * sa / na, sb * sb / nb
        for level in (0.95, 1 - 0.05 / count):
            freedom = (va + vb)**2 / (va**2 / (na - 1) + vb**2 / (nb - 1)) if va + vb > 0 else math.inf
            reach = t_quantile((1 + level) / 2, freedom) * math.sqrt(va + vb)
            f.add(reach, unit)
            if geometric and a > 0 and b > 0:
                d = math.log(b / a)
                f.add(math.exp(d - reach)).add(math.exp(d + reach))
                f.percent.add(100 * math.expm1(reach))
    return f


def frozen_figures(points):
    """At frozen weights: intervals, differences from the smallest to the largest batch, ratios to the theory."""
    f = Figures()
    ratios = {"variance": [], "cosine": [], "loss": []}
    for point in points:
        rows = []
        for b in point["batches"]:
            spread_error = b["loss_spread"] / math.sqrt(2 * (b["draws"] - 1))
            rows.append({"variance": (b["variance"], b["variance_error"], b["variance_expected"]),
                         "cosine": (b["cosine"], b["cosine_error"], b["cosine_expected"]),
                         "loss": (b["loss_spread"], spread_error, b["loss_expected"])})
        for row in rows:
            for name, (value, error, expected) in row.items():
                f.add(value - 1.96 * error).add(value + 1.96 * error)
                ratios[name].append((value / expected, abs(value - expected) > 3 * error))
        for a, b in itertools.combinations(rows, 2):
            for name in a:
                f.add(b[name][0] - a[name][0]).add(1.96 * math.hypot(a[name][1], b[name][1]))
    for found in ratios.values():
        if found:
            f.add(min(r for r, _ in found)).add(max(r for r, _ in found)).add(sum(off for _, off in found))
            f.add(len(found))
    return f


def follow_depth(o):
    """How much lower than the target the best loss is."""
    f = Figures()
    if o["depth"]["best"] and o["target"]:
        f.percent.add(100 * (1 - o["depth"]["best"] / o["target"]))
    return f


def against_grown(o, b):
    """A fixed batch's figures as multiples of a growing one's."""
    f = Figures()
    for name in ("seconds", "steps", "examples") if o["grown"] else ():
        if b[name]["mean"] and o["grown"][name]["mean"]:
            f.add(b[name]["mean"] / o["grown"][name]["mean"])
    return f


def follow(o):
    """What follows from the JSON's figures by a formula, and is shown."""
    f, batches = Figures(), o["batches"]
    f.add(o["examples"] + o["validation"])
    fixed, each = o["step_fixed_s"], o["step_each_s"]
    if each:
        f.add(1 / each).add(fixed / each)  # the largest speed, and the batch of half of it
    for name in [key for key, value in batches[0].items() if is_mean(value)]:
        f.merge(pairs(batches, name))
    line = [(b["batch"], b["fitted"]["examples"]) for b in batches if b["fitted"]["examples"]]
    if len(line) > 1:  # E = S_min B + E_min, whether or not the two are determined
        s_min = (line[-1][1] - line[0][1]) / (line[-1][0] - line[0][0])
        f.add(s_min).add(line[0][1] - s_min * line[0][0])
    speeds = [b["examples_per_s"] for b in batches if b["examples_per_s"]]
    for a, b in itertools.permutations(speeds, 2):
        f.add(b / a)
    f.percent.add(100 * max(0.05, 2 * (o["step_misfit"] or 0)))  # of speeds that a clock tells apart
    for a, b in itertools.combinations(batches, 2):
        more, less = (x["memory_used"] or x["memory_forecast"] for x in (b, a))  # the latter if it was not trained
        f.add((more - less) / (b["batch"] - a["batch"]))
    for b in batches:
        f.merge(windows(b)).merge(against_grown(o, b)).add(b["batch"] // 2).add(b["batch"] * 2)
    f.merge(frozen_figures(o["frozen"]))
    searches = sum(run["search"] for run in o["runs"])
    f.add(searches).add(len(o["runs"]) - searches)
    f.merge(follow_depth(o))
    if o["recommendation"]["probability_best"]:
        f.add(math.floor(o["recommendation"]["probability_best"] * 100) / 100)
    return f


# Texts --------------------------------------------------------------------------------------------------------------


class Page(html.parser.HTMLParser):
    """The page as texts, and as tables of rows of cells; pictures are left out, but for the titles in them."""

    BLOCKS = {"p", "h1", "h2", "h3", "li", "dd", "dt", "summary", "pre", "footer", "figcaption", "title", "caption"}

    def __init__(self, text):
        super().__init__()
        self.texts, self.tables, self.where, self.open, self.skip, self.picture = [], [], "", None, 0, 0
        self.feed(text)

    def begin(self, kind):
        self.end()
        self.open = [kind, ""]

    def end(self):
        if self.open and self.open[1].strip():
            kind, text = self.open[0], " ".join(self.open[1].split())
            if kind in ("td", "th"):
                self.tables[-1][1][-1].append(text)
            else:
                self.texts.append((self.where, text, self.picture > 0))
                if kind in ("h2", "h3"):
                    self.where = text
        elif self.open and self.open[0] in ("td", "th"):
            self.tables[-1][1][-1].append("")
        self.open = None

    def handle_starttag(self, tag, attrs):
        if tag in ("style", "script"):
            self.skip += 1
        if tag == "svg":
            self.end()
            self.picture += 1
        if tag == "table":
            self.end()
            self.tables.append((self.where, []))
        elif tag == "tr":
            self.end()
            self.tables[-1][1].append([])
        elif tag in ("td", "th") or tag in self.BLOCKS:
            self.begin(tag)
        elif tag == "br" and self.open:
            self.open[1] += " "

    def handle_endtag(self, tag):
        if tag in ("style", "script"):
            self.skip -= 1
        if tag == "svg":
            self.picture -= 1
        if tag in ("td", "th", "tr", "table") or tag in self.BLOCKS:
            self.end()

    def handle_data(self, data):
        if self.skip or (self.picture and not (self.open and self.open[0] == "title")):
            return
        if not self.open and data.strip():
            self.open = ["text", ""]
        if self.open:
            self.open[1] += data


class Check:
    """Counts numbers, those that no figure explains, and planted ones that are not found out."""

    def __init__(self, o):
        self.o, self.problems = o, []
        self.seen, self.found = {"table": 0, "text": 0}, {"table": 0, "text": 0}

    def numbers(self, where, text, figures, kind="text"):
        plain = text
        for name in ("command", "net", "data", "device_name", "device"):
            if self.o[name]:
                plain = plain.replace(self.o[name], " ")
        for constant in CONSTANTS:
            plain = re.sub(constant, " ", plain)
        for number, unit in NUMBER.findall(plain):
            self.seen[kind] += 1
            if not figures.has(number, unit):
                self.problems.append(f"{where}: {number} {unit} is no figure of the JSON, in: {text}")
            self.found[kind] += not figures.has(planted(number), unit)

    def expect(self, condition, what):
        if not condition:
            self.problems.append(what)


def planted(number):
    """A wrong number of the same form: 9 % larger, and at least by three in its last digit."""
    mantissa, _, exponent = number.replace("\u2212", "-").partition("e")
    decimals = len(mantissa.partition(".")[2])
    wrong = float(mantissa)
    wrong += math.copysign(max(0.09 * abs(wrong), 3 * 10.0**-decimals), wrong)
    return f"{wrong:.{decimals}f}" + (f"e{exponent}" if exponent else "")


@functools.lru_cache(None)
def windows_of(ends):
    f, before = Figures(), 0
    for end in ends:
        f.add((before + end) / 2)
        before = end
    return f


def windows(b):
    """The middles of the windows in which the noise scale is measured."""
    return windows_of(tuple(window["examples"] for window in b["noise_scale_over_training"]))


SECTIONS = {  # of the page: the means whose figures, differences and ratios may stand in the words about a claim
    "Fluctuation of the weights": ("fluctuation", "seed_spread"),
    "Examples against steps": ("steps", "examples"),
    "Validation loss": ("best_loss", "loss_equal_loss", "loss_compared"),
    "Gap and overfitting": ("gap_equal_loss", "gap_equal_epochs", "gap_equal_steps"),
    "Time to the target": ("seconds", ),
}


def of_section(o, where):
    """What may stand in the words about a claim; None: anything."""
    f = Figures()
    for b in o["batches"]:
        f.add(b["batch"])
    if where in SECTIONS:
        for name in SECTIONS[where]:
            f.merge(collect([b[name] for b in o["batches"]], name)).merge(pairs(o["batches"], name))
        for name in ("b_crit", "b_crit_low", "b_crit_high", "equal_loss", "equal_epochs", "equal_steps"):
            f.add(o[name])
        for b in o["batches"]:
            f.add(b["worse_low"]).add(b["worse_high"])
    elif where in ("Variance of the gradient", "Precision of the gradient", "Precision of the loss"):
        f.merge(collect(o["frozen"])).merge(frozen_figures(o["frozen"]))
    else:
        return None
    return f


def of_batch(o, batch, where=""):
    """What may stand in the row of a batch; in that of a plot along its runs, their points."""
    if where == "Learning rates":
        return rates(o, batch).add(o["target"]).add(batch)
    i = [b["batch"] for b in o["batches"]].index(batch)
    if where == "A growing batch":
        return against_grown(o, o["batches"][i]).add(batch).add(1)
    f = collect(o["batches"][i]).merge(collect([level["batches"][i] for level in o["levels"]]))
    for point in o["frozen"]:
        rows = [b for b in point["batches"] if b["batch"] == batch]
        f.merge(frozen_figures([{"batches": rows}])).merge(collect(rows))
    for level in o["levels"]:
        f.add(level["target"])
    f.add(o["target"]).add(o["batches"][i]["memory_forecast"] / (1 << 20)).merge(windows(o["batches"][i]))
    best = min((b["seconds"]["mean"] for b in o["batches"] if b["seconds"]["mean"]), default=None)
    chosen = next((b["seconds"]["mean"] for b in o["batches"] if b["batch"] == o["recommendation"]["batch"]), None)
    expected = [b["fitted"]["seconds"] for b in o["batches"] if b["fitted"]["seconds"]]
    for reference in (best, chosen, min(expected, default=None), o["recommendation"]["seconds"]):
        for own in (o["batches"][i]["seconds"]["mean"], o["batches"][i]["fitted"]["seconds"]):
            if own and reference:
                f.add(own / reference)
    return f


def value_at(points, x, where, what):
    """Interpolated along a run; None beyond it."""
    known = [(p[where], p[what]) for p in points if p.get(what) is not None]
    for before, after in zip([None] + known, known):
        if after[0] >= x:
            if before is None:
                return after[1] if after[0] == x else None
            span = after[0] - before[0]
            return before[1] + (x - before[0]) / span * (after[1] - before[1]) if span > 0 else after[1]
    return None


def history(o, batch):
    """Losses along the runs of a batch: examples, the time of so many steps, and means over seeds, at the points of the
    first run. A run that checked the advice counts if it fell short."""
    b = next(b for b in o["batches"] if b["batch"] == batch)
    checked = {(check["batch"], check["seed"]) for check in o["checks"] if check["held"]}
    runs = [run["points"] for run in o["runs"] if not run["search"] and run["batch"] == batch and run["lr"] == b["lr"]
            and len(run["points"]) > 1 and run["outcome"] != "diverged" and (batch, run["seed"]) not in checked]
    points = []
    for point in runs[0] if runs else []:
        x, losses = point["examples"], []
        for what in ("loss", "train_loss"):
            values = [value_at(points, x, "examples", what) for points in runs]
            losses.append(sum(values) / len(values) if None not in values else math.nan)
        points.append((x, x * b["step_s"] / batch, *losses))
    return points


def history_near(points, text):
    """The figures of those points to which a number of the text may belong: examples, or seconds."""
    f = Figures()
    shown = [float(number[1]) for number in NUMBER.finditer(text)]
    for examples, seconds, *losses in points:
        for x in (examples, seconds):
            if any(abs(number - x) <= 0.006 * x for number in shown):
                f.add(x)
                for loss in losses:
                    f.add(loss)
    return f


def rates(o, batch):
    """Rates that were tried, and the examples to the target at each: geometric means over the runs that reached it."""
    f = Figures()
    for lr, target in {(run["lr"], run["target"]) for run in o["runs"] if run["search"] and run["batch"] == batch}:
        f.add(lr)
        steps = [run["steps"] for run in o["runs"] if run["search"] and run["outcome"] == "reached" and run["steps"] and
                 (run["batch"], run["lr"], run["target"]) == (batch, lr, target)]
        if steps:
            f.add(batch * math.exp(sum(map(math.log, steps)) / len(steps)))
    return f


def one(value, name):
    return collect(value, name)


COLUMNS = {  # of the terminal's table
    "batch": lambda b: one(b["batch"], ""),
    "lr": lambda b: one(b["lr"], ""),
    "examples/s": lambda b: one(b["examples_per_s"], ""),
    "memory": lambda b: one(b["memory_used"], "memory"),
    "steps": lambda b: one(b["steps"]["mean"], ""),
    "epochs": lambda b: one(b["epochs"]["mean"], ""),
    "time": lambda b: one(b["seconds"]["mean"], "s"),
    "loss": lambda b: one(b["loss_compared"]["mean"], ""),
    "worse by (95 %)": lambda b: one(b["worse_low"], "").add(b["worse_high"]),
    "lowest": lambda b: one(b["best_loss"]["mean"], ""),
    "accuracy": lambda b: one(b["best_accuracy"]["mean"], ""),
    "test loss": lambda b: one(b["test_loss"], ""),
    "test accuracy": lambda b: one(b["test_accuracy"], ""),
    "seeds": lambda b: one(b["reached"], "").add(b["seeds"]),
}


def check_terminal(check, o, out, everything, wide):
    lines = out.splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("batch "))
    names = re.findall(r"worse by \(95 %\)|test \w+|\S+", lines[head])
    check.expect(names[-1] == "verdict" and set(names[:-1]) <= set(COLUMNS) and len(names) == (15 if wide else 9),
                 f"the columns are {names}")
    row = head + 1
    for b in o["batches"]:
        at = 0
        for name in names[:-1]:
            start, at = at, lines[head].index(name, at) + len(name)
            cell = lines[row][start:at]
            check.expect(cell.strip() == "-" or name == "worse by (95 %)" or re.search(r"\d", cell),
                         f"{name} of {b['batch']}: {cell!r}")
            check.numbers(f"{name} of B = {b['batch']}", cell, COLUMNS[name](b), "table")
        row += 1
    verdicts = [line.split("  ")[-1] for line in lines[head + 1:row]]
    check.expect("recommended" in verdicts, f"verdicts {verdicts}")
    text, name = {}, ""
    for line in lines[:head] + lines[row:]:
        name = line[:13].strip() or name
        text[name] = text.get(name, "") + " " + line[13:] if line[:1] != " " or line[:13].strip() == "" else \
            text.get(name, "") + " " + line
    advice = " ".join(text["advice"].split())
    check.expect(advice == o["recommendation"]["reason"], f"the advice is {advice}")
    command = text["command"].strip()
    check.expect(command == o["command"] + "  " + o["command_ends"] or " ".join(command.split()) ==
                 " ".join(f"{o['command']} {o['command_ends']}".split()), f"the command is {command}")
    depth = collect([o["depth"], o["target"]])
    depth.percent.update(follow_depth(o).percent)
    pools = {"depth": depth, "targets": collect([o["levels"], o["depth"]]), "check": collect(o["checks"]),
             "target": collect([o["depth"], o["target"], o["batches"][0]["lr"]]).merge(depth),
             "took": collect(o["elapsed_s"], "elapsed_s")}
    for name in text:
        if name not in ("report", "json", "device", "command"):
            check.numbers(f"terminal, {name}", text[name], pools.get(name, everything))


def check_command(check, o):
    words = shlex.split(o["command"])
    given = {word[2:]: words[i + 1] for i, word in enumerate(words) if word.startswith("--") and i + 1 < len(words)}
    r = o["recommendation"]
    check.expect(int(given["batch"]) == r["batch"] and abs(float(given["lr"]) / r["lr"] - 1) < 1e-6, f"{words}")
    check.expect(float(given["until-loss"]) == o["target"] and int(given["validation"]) == o["validation"], f"{words}")
    check.expect(f"after {given['epochs']} epoch" in o["command_ends"], o["command_ends"])
    least = r["steps"] * r["batch"] / o["examples"]
    check.expect(int(given["epochs"]) >= math.ceil(1.25 * least), f"{given['epochs']} epochs for {least}")


def check_page(check, o, text, everything):
    page = Page(text)
    batches = [b["batch"] for b in o["batches"]]
    of = functools.lru_cache(None)(lambda batch, where: of_batch(o, batch, where))
    along = functools.lru_cache(None)(lambda batch: history(o, batch))

    def own(batch, where, shown):
        return history_near(along(batch), shown) if where == "Losses during training" else of(batch, where)

    tried = Figures()
    for batch in batches:
        tried.merge(rates(o, batch)).add(batch)
    plain = " ".join(text for _, text, _ in page.texts)
    check.expect(o["command"] in plain and o["recommendation"]["reason"] in plain, "no command, or another reason")
    for where, line, picture in page.texts:
        shown = picture and re.match(r"(?:[^:;]*, )?B = (\d+)\b[^;]*;", line)
        if shown and int(shown[1]) in batches:  # what is shown of a point
            rest = re.sub(r"B = \d+", "", line, 1)
            check.numbers(f"page, {where}", rest, own(int(shown[1]), where, rest), "table")
        elif not re.match(r"Tassello |Written on ", line):
            claim = of_section(o, where) if line.startswith("Claim:") else None
            check.numbers(f"page, {where}", line, claim or everything)
    check.expect(len(page.tables) > 5, f"{len(page.tables)} tables")
    for where, rows in page.tables:
        for row in rows:
            first = re.fullmatch(r"(?:B = )?(\d+)(?:, training)?", row[0]) if row else None
            mine = first and int(first[1]) in batches and "target" not in where.lower().split()[:1]
            figures = own(int(first[1]), where, " ".join(row[1:])) if mine else everything
            if not mine and where == "Learning rates":
                figures = tried
            for cell in row[1:] if mine else row:
                check.numbers(f"page, {where}, row {row[0]}", cell, figures, "table" if mine else "text")


# The sweep ----------------------------------------------------------------------------------------------------------


def make_set(folder):
    """Noise around four patterns: a small network needs a few epochs."""
    draw = random.Random(3)
    patterns = [draw.randbytes(64) for _ in range(4)]
    folder.mkdir()
    for name, count in (("train", 800), ("t10k", 200)):
        labels = bytes(draw.randrange(4) for _ in range(count))
        pixels = b"".join(
            bytes((2 * p + 3 * n) // 5 for p, n in zip(patterns[label], draw.randbytes(64))) for label in labels)
        write_idx(folder / f"{name}-images-idx3-ubyte", (count, 8, 8), pixels)
        write_idx(folder / f"{name}-labels-idx1-ubyte", (count,), labels)


def main():
    program = str(Path(sys.argv[1]).resolve())
    log = open(os.environ.get("CK_TAP_LOG_FILE_NAME", os.devnull), "w")
    failed, number = 0, 0
    if not shutil.which("gnuplot"):
        print("no gnuplot: the page is not read")
    with tempfile.TemporaryDirectory(prefix="tassello numbers ") as place:
        place = Path(place)
        make_set(place / "set")
        (place / "net").write_text("input 1x8x8\ndense 8\nrelu\ndense 4\n")
        words = [program, "sweep", "net", "set", "--device", "reference", "--batches", "4,16,64", "--seeds", "3",
                 "--momentum", "0", "--epochs", "20", "--json", "json"]
        if shutil.which("gnuplot"):
            words += ["--report", "page.html"]
        for more in (("--target-loss", "0.3"), ("--target-loss", "1", "--wide", "--grow")):
            said = subprocess.run([*words, *more], cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True, check=False,
                                  env={**os.environ, "COLUMNS": "200" if len(more) > 2 else "80"})
            if said.returncode:
                sys.exit(f"status {said.returncode}: {said.stderr}")
            o = json.loads((place / "json").read_text())
            everything = collect(o, skip=("runs",)).merge(follow(o))
            checks = [("terminal", lambda c: check_terminal(c, o, said.stdout, everything, len(more) > 2)),
                      ("command", lambda c: check_command(c, o))]
            if (place / "page.html").exists():
                page = (place / "page.html").read_text()
                checks.append(("page", lambda c: check_page(c, o, page, everything)))
            for name, run in checks:
                check = Check(o)
                run(check)
                seen, found = check.seen, check.found
                check.expect(found["table"] == seen["table"] or name == "page" and found["table"] > 0.9 * seen["table"],
                             f"{seen['table'] - found['table']} of {seen['table']} planted in a table were not seen")
                check.expect(found["text"] >= 0.5 * seen["text"],
                             f"{seen['text'] - found['text']} of {seen['text']} planted in texts were not seen")
                number += 1
                failed += bool(check.problems)
                line = f"{'not ok' if check.problems else 'ok'} {number} - {' '.join((name, *more))}"
                print(f"{line} # {sum(seen.values())} numbers; of planted ones, {found['table']} of {seen['table']} in "
                      f"tables and {found['text']} of {seen['text']} in texts were found out")
                print("".join(f"#   {problem}\n" for problem in check.problems), end="")
                log.write(line + "\n")
    log.write(f"1..{number}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
