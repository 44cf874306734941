#!/usr/bin/env python3
"""PyTorch's figures for tests/test_peer.c: 20 steps of small networks, from the same weights on the same data.

Run with a Python that has torch and numpy; the arguments are the cases to make (default: all):

    python tests/peer/figures.py [CASE]...

Each case is a network in Tassello's language, which network.py interprets with PyTorch's functions, and the options of
a training in which each batch is the whole data set, so that the order of examples does not matter. It is trained in
float64 and in float32. The float64 run gives the figures, and its distance from the float32 run the tolerances. A case
becomes CASE.json beside this script:

    network     the text, line by line
    count       examples in the data set, and in each batch
    targets     "labels" below `classes`; "values", floats; "bits", floats of 0 and 1
    weights     true: examples have weights
    options     members of tas_train_options
    losses      of each step: [value, tolerance]
    evaluation  the loss of the trained network in evaluation: [value, tolerance]
    tensors     of each at the end: every so many elements from the first on, and their tolerance

Data and weights are drawn by numbers(): from a name, so that both sides make the same ones. See draw_values().
"""
import json
import pathlib
import sys
import textwrap

import torch

import network
from cases import CASES

STEPS, SAMPLES = 20, 12
REASON = [
    "PyTorch's float32 run ends some distance from its float64 run. Tassello, which rounds in another order, may end",
    "4 times as far from the float64 run (for a loss: the largest distance so far; for a tensor: that of any element),",
    "plus 2^-21 of the magnitude (for a tensor: of its largest element), in case PyTorch's runs are close by chance.",
]
FACTOR, FLOOR = 4, 2.0**-21


def numbers(name, count):
    """`count` whole numbers from -2^15 to 2^15 - 1: the high halves of a linear congruential generator (Knuth's
    constants), which begins with the FNV-1a hash of the name."""
    state = 2166136261
    for byte in name.encode():
        state = (state ^ byte) * 16777619 % 2**32
    out = []
    for _ in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        out.append((state >> 16) - 2**15)
    return out


def draw_values(name, shape):
    """A tensor's first values, exact in float32. Weights of at least two dimensions: uniform, at most 2^-s, s being the
    smallest with 4^s >= inputs / 4. Vectors: 0, or 1 for the weights of a normalization, plus at most 1/4."""
    count, inputs = 1, 1
    for size in shape:
        count *= size
    for size in shape[1:]:
        inputs *= size
    shift = 2
    if len(shape) > 1:
        shift = 0
        while 4 * 4**shift < inputs:
            shift += 1
    start = 1 if len(shape) == 1 and name.endswith(".weight") else 0
    values = torch.tensor(numbers(name, count), dtype=torch.float64) / 2.0 ** (15 + shift) + start
    return values.reshape(shape)


def draw_data(case, inputs, outputs):
    """Inputs from -2 to 2; labels; float targets from -2 to 2, or 0 and 1; weights of examples from 0 to 2, or None."""
    count = case["count"]
    x = torch.tensor(numbers("inputs", count * inputs), dtype=torch.float64) / 2.0**14
    if case["targets"] == "labels":
        target = torch.tensor([(n + 2**15) % case["classes"] for n in numbers("labels", count)])
    else:
        target = torch.tensor(numbers("targets", count * outputs), dtype=torch.float64) / 2.0**14
        target = target.reshape(count, outputs)
    if case["targets"] == "bits":
        target = (target > 0).double()
    weights = None
    if case.get("weights"):
        weights = torch.tensor(numbers("weights", count), dtype=torch.float64) / 2.0**15 + 1
    return x.reshape(count, inputs), target, weights


def make_optimizer(options, net):
    """One of PyTorch's with these options. Weights decay; biases and normalization only if decay_on says so."""
    o = {"weight_decay": 0, "epsilon": 1e-8, **options}
    is_weight = lambda name: name.endswith(".weight") and "_norm" not in name
    weights = [p for name, p in net.parameters.items() if is_weight(name)]
    others = [p for name, p in net.parameters.items() if not is_weight(name)]
    groups = [
        {"params": weights, "weight_decay": o["weight_decay"]},
        {"params": others, "weight_decay": 0 if o.get("decay_on") == "weights" else o["weight_decay"]},
    ]
    groups = [g for g in groups if g["params"]]
    betas = (o.get("beta1"), o.get("beta2"))
    return {
        "sgd": lambda: torch.optim.SGD(
            groups, lr=o["lr"], momentum=o["momentum"], nesterov=bool(o.get("nesterov"))
        ),
        "adam": lambda: torch.optim.Adam(groups, lr=o["lr"], betas=betas, eps=o["epsilon"]),
        "adamw": lambda: torch.optim.AdamW(groups, lr=o["lr"], betas=betas, eps=o["epsilon"]),
        "rmsprop": lambda: torch.optim.RMSprop(
            groups, lr=o["lr"], alpha=o["alpha"], eps=o["epsilon"], momentum=o["momentum"]
        ),
    }[o["optimizer"]]()


def make_schedule(options, optimizer):
    """One of PyTorch's for the rate of each step."""
    o, schedules = options, torch.optim.lr_scheduler
    return {
        "constant": lambda: schedules.ConstantLR(optimizer, 1),
        "step": lambda: schedules.StepLR(optimizer, o["decay_steps"], o["decay"]),
        "exponential": lambda: schedules.ExponentialLR(optimizer, o["decay"] ** (1 / o["decay_steps"])),
        "cosine": lambda: schedules.CosineAnnealingLR(optimizer, STEPS, o["lr_end"]),
        "polynomial": lambda: schedules.PolynomialLR(optimizer, STEPS, o["power"]),
        "one-cycle": lambda: schedules.OneCycleLR(
            optimizer, o["lr"], total_steps=STEPS, pct_start=o["rise"], cycle_momentum=False
        ),
    }[o.get("schedule", "constant")]()


def train(case, dtype):
    """Losses of the steps and of an evaluation, and the tensors at the end."""
    net = network.Network(case["network"], draw_values, dtype)
    x, target, weights = draw_data(case, net.inputs, net.outputs)
    x, weights = x.to(dtype), None if weights is None else weights.to(dtype)
    target = target if case["targets"] == "labels" else target.to(dtype)
    optimizer = make_optimizer(case["options"], net)
    schedule = make_schedule(case["options"], optimizer)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = net.loss(net.run(x, True), target, weights)
        loss.backward()
        if case["options"].get("clip"):
            torch.nn.utils.clip_grad_norm_(net.parameters.values(), case["options"]["clip"])
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    with torch.no_grad():
        evaluation = net.loss(net.run(x, False), target, weights).item()
        tensors = {**net.parameters, **net.statistics}
        return losses, evaluation, {k: v.detach().double().flatten() for k, v in tensors.items()}


def figure(value, distance, magnitude):
    """A value and its tolerance, in so many digits as matter."""
    return [float(f"{value:.11g}"), float(f"{FACTOR * distance + FLOOR * abs(magnitude):.2g}")]


def make(name, case):
    exact, exact_evaluation, exact_tensors = train(case, torch.float64)
    single, single_evaluation, single_tensors = train(case, torch.float32)
    largest, losses, tensors = 0, [], {}
    for a, b in zip(exact, single):
        largest = max(largest, abs(a - b))
        losses.append(figure(a, largest, a))
    distance = max(largest, abs(exact_evaluation - single_evaluation))
    for key, a in exact_tensors.items():
        every = max(1, len(a) // SAMPLES)
        tensors[key] = {
            "every": every,
            "values": [figure(of, 0, 0)[0] for of in a[::every].tolist()],
            "tolerance": figure(0, (a - single_tensors[key]).abs().max().item(), a.abs().max().item())[1],
        }
    figures = {
        "made by": f"tests/peer/figures.py with PyTorch {torch.__version__}",
        **case,
        "network": case["network"].strip().split("\n"),
        "tolerances": REASON,
        "losses": losses,
        "evaluation": figure(exact_evaluation, distance, exact_evaluation),
        "tensors": tensors,
    }
    path = pathlib.Path(__file__).with_name(name + ".json")
    path.write_text(write(figures))
    print(f"{name}: loss {exact[0]:.6f} to {exact[-1]:.6f} within {losses[-1][1]}, evaluation {exact_evaluation:.6f}")


def write(figures):
    """JSON in lines of at most 120 columns."""
    encoder = json.JSONEncoder()

    def value(of, indent):
        text = encoder.encode(of)
        if not isinstance(of, (dict, list)) or indent + len(text) < 100:
            return text
        inner = " " * (indent + 2)
        if isinstance(of, dict):
            rows = [f"{inner}{json.dumps(key)}: {value(item, indent + 2)}" for key, item in of.items()]
        elif isinstance(of[0], float):
            rows = textwrap.wrap(text[1:-1], 118, initial_indent=inner, subsequent_indent=inner)
            return "[\n" + "\n".join(rows) + "\n" + " " * indent + "]"
        else:
            rows = [inner + value(item, indent + 2) for item in of]
            return "[\n" + ",\n".join(rows) + "\n" + " " * indent + "]"
        return "{\n" + ",\n".join(rows) + "\n" + " " * indent + "}"

    return value(figures, 0) + "\n"


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name in sys.argv[1:] or CASES:
        make(name, CASES[name])
