"""The cases of figures.py."""
import pathlib
import re

SHIPPED = pathlib.Path(__file__).resolve().parents[2] / "tools" / "nets"

DENSE = """
input 12
dense 16
tanh
dense 5
loss softmax
"""

CONVOLUTIONS = """
input 3x8x8 mean 0.25,-0.5,0.125 std 1,2,0.5
conv2d 8 3x2 padding 1x0 dilation 1x2 no bias
relu
max_pool 2
conv2d 12 3 groups 4 stride 1 padding 1
gelu
avg_pool 2
flatten
dense 5 no bias
loss softmax
"""

ACTIVATIONS = """
input 12
dense 16
silu
dense 16
hard_swish
dense 16
softplus
dense 16
leaky 0.125
dense 16
sigmoid
dense 5
loss softmax
"""

# Every way to join values, some of them read three times.
GRAPH = """
input 3x6x6
conv2d 8 3 padding 1 as first
relu as active
conv2d 8 3 padding 1
add first active
tanh as sum
from active
conv2d 8 1
sigmoid
multiply sum as gated
from first
max_pool 2 as small
from gated
avg_pool 2
concat small
conv2d 8 3
global_avg_pool
dense 5
loss softmax
"""

NORMALIZED = """
input 3x6x6
conv2d 8 3 padding 1
{}
relu
conv2d 8 3 padding 1 stride 2
{}
relu
flatten
dense 5
loss softmax
"""

# A residual network as by He et al. 2016, with one block that keeps the planes and one that halves them.
RESIDUAL = """
input 3x8x8 mean 0.25,-0.5,0.125 std 1,2,0.5
conv2d 8 3 padding 1 no bias
batch_norm
relu as a
conv2d 8 3 padding 1 no bias
batch_norm
relu
conv2d 8 3 padding 1 no bias
batch_norm
add a
relu as b
conv2d 16 1 stride 2 no bias
batch_norm as shortcut
from b
conv2d 16 3 padding 1 stride 2 no bias
batch_norm
relu
conv2d 16 3 padding 1 no bias
batch_norm
add shortcut
relu
global_avg_pool
dense 5
loss softmax
"""

# Up and down again: planes that grow.
PLANES = """
input 2x5x6
pad 1x2 0x1
conv2d 4 3 stride 2
pad 1
relu
conv_transpose2d 6 3x2 stride 2x3 padding 1x0 output_padding 1x2
tanh
conv_transpose2d 4 2 groups 2 no bias
upsample 2x3
conv2d 4 3 groups 4
global_avg_pool
dense 5
loss softmax
"""


def narrow(name):
    """A network that ships, for planes of 8x8 and with a quarter of the channels."""
    lines = (line.split("#")[0].strip() for line in (SHIPPED / name).read_text().split("\n"))
    text = "\n".join(line for line in lines if line)
    text = re.sub(r"input \S+", "input 1x8x8", text)
    return re.sub(r"conv2d (\d+)", lambda match: f"conv2d {int(match[1]) // 4}", text)


ADAM = {"beta1": 0.875, "beta2": 0.984375, "lr": 0.0078125}  # exact in float32, as all options should be


def case(network, targets="labels", count=24, classes=5, weights=False, **options):
    out = {"network": network, "count": count, "targets": targets}
    if weights:
        out["weights"] = True
    if targets == "labels":
        out["classes"] = classes
    return {**out, "options": {"optimizer": "sgd", "lr": 0.125, "momentum": 0.0, **options}}


def loss(text, targets="labels", **options):
    return case(DENSE.replace("loss softmax", "loss " + text), targets, **options)


CASES = {
    "dense": case(DENSE),
    "convolutions": case(CONVOLUTIONS),
    "activations": case(ACTIVATIONS),
    "graph": case(GRAPH),
    "planes": case(PLANES),
    "resnet20": case(narrow("resnet20.net"), classes=10, lr=0.03125, momentum=0.875, weight_decay=0.0009765625),
    "densenet-small": case(narrow("densenet-small.net"), classes=10, lr=0.0625, momentum=0.875),
    "residual": case(RESIDUAL, momentum=0.875, weight_decay=0.0009765625),
    "residual-adam": case(RESIDUAL, optimizer="adam", **ADAM),
    "batch-norm": case(NORMALIZED.format("batch_norm", "batch_norm")),
    "batch-norm-group": case(NORMALIZED.format("batch_norm group 24", "batch_norm group 24")),
    "batch-norm-dense": case(DENSE.replace("tanh", "batch_norm momentum 0.25 epsilon 0.125\nrelu")),
    "layer-norm-dense": case(DENSE.replace("tanh", "layer_norm epsilon 0.125\nrelu")),
    "layer-norm": case(NORMALIZED.format("layer_norm", "layer_norm")),
    "group-norm": case(NORMALIZED.format("group_norm 4", "group_norm 2")),
    "loss-smoothing": loss("softmax smoothing 0.125"),
    "loss-weights": loss("softmax weights 1,0.5,2,0.25,4"),
    "loss-weights-examples": loss("softmax weights 1,0.5,2,0.25,4", weights=True),
    "loss-bce": loss("bce", "bits"),
    "loss-bce-labels": loss("bce"),
    "loss-mse": loss("mse", "values"),
    "loss-mae": loss("mae", "values"),
    "loss-huber": loss("huber", "values"),
    "loss-huber-delta": loss("huber delta 0.25", "values"),
    "loss-mse-weights": loss("mse", "values", weights=True),
    "loss-bce-weights": loss("bce weights 1,0.5,2,0.25,4"),
    "optimizer-momentum": case(DENSE, momentum=0.875, weight_decay=0.015625),
    "optimizer-nesterov": case(DENSE, momentum=0.875, nesterov=1),
    "optimizer-adam": case(DENSE, optimizer="adam", **ADAM, weight_decay=0.015625),
    "optimizer-adamw": case(DENSE, optimizer="adamw", **ADAM, weight_decay=0.0625),
    "optimizer-rmsprop": case(DENSE, optimizer="rmsprop", lr=0.0078125, alpha=0.984375, weight_decay=0.015625),
    "optimizer-rmsprop-momentum": case(DENSE, optimizer="rmsprop", lr=0.0078125, alpha=0.984375, momentum=0.5),
    "clip": case(DENSE, clip=0.25, momentum=0.5),
    "decay-on-weights": case(NORMALIZED.format("batch_norm", "batch_norm"), weight_decay=0.125, decay_on="weights"),
    "decay-on-all": case(NORMALIZED.format("batch_norm", "batch_norm"), weight_decay=0.125),
    "schedule-step": case(DENSE, schedule="step", decay_steps=4, decay=0.5),
    "schedule-exponential": case(DENSE, schedule="exponential", decay_steps=4, decay=0.5),
    "schedule-cosine": case(DENSE, schedule="cosine", lr_end=0.0078125),
    "schedule-polynomial": case(DENSE, schedule="polynomial", power=2),
    "schedule-one-cycle": case(DENSE, schedule="one-cycle", rise=0.25),
}
