"""The cases of figures.py."""

DENSE = """
input 12
dense 16
tanh
dense 5
loss softmax
"""

CONVOLUTIONS = """
input 3x8x8
conv2d 8 3 padding 1
relu
max_pool 2
conv2d 12 3 groups 4 stride 1 padding 1
gelu
avg_pool 2
flatten
dense 5
loss softmax
"""


ADAM = {"beta1": 0.875, "beta2": 0.984375, "lr": 0.0078125}  # exact in float32, as all options should be


def case(network, targets="labels", count=24, classes=5, **options):
    out = {"network": network, "count": count, "targets": targets}
    if targets == "labels":
        out["classes"] = classes
    return {**out, "options": {"optimizer": "sgd", "lr": 0.125, "momentum": 0.0, **options}}


CASES = {
    "dense": case(DENSE),
    "convolutions": case(CONVOLUTIONS),
    "loss-mse": case(DENSE.replace("softmax", "mse"), "values"),
    "optimizer-momentum": case(DENSE, momentum=0.875, weight_decay=0.015625),
    "optimizer-nesterov": case(DENSE, momentum=0.875, nesterov=1),
    "optimizer-adam": case(DENSE, optimizer="adam", **ADAM, weight_decay=0.015625),
    "optimizer-adamw": case(DENSE, optimizer="adamw", **ADAM, weight_decay=0.0625),
}
