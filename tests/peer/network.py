"""An interpreter of Tassello's network language, with PyTorch's functions: see tassello-network(5)."""
import torch
import torch.nn.functional as F

# The arguments by place of each kind of layer ("?": it may be left out), and those after a name with their defaults.
# "no bias" stands for itself.
WINDOW = {"stride": None, "padding": "0", "dilation": "1", "groups": "1"}
KINDS = {
    "input": (["shape"], {"mean": "0", "std": "1"}),
    "dense": (["units"], {"init": "he", "no": ""}),
    "conv2d": (["units", "kernel"], {**WINDOW, "init": "he", "no": ""}),
    "conv_transpose2d": (["units", "kernel"], {**WINDOW, "output_padding": "0", "init": "he", "no": ""}),
    "max_pool": (["kernel"], WINDOW),
    "avg_pool": (["kernel"], WINDOW),
    "global_avg_pool": ([], {}),
    "flatten": ([], {}),
    "upsample": (["factor"], {}),
    "pad": (["before", "after?"], {}),
    "relu": ([], {}),
    "leaky": (["slope"], {}),
    "tanh": ([], {}),
    "sigmoid": ([], {}),
    "gelu": ([], {}),
    "silu": ([], {}),
    "hard_swish": ([], {}),
    "softplus": ([], {}),
    "batch_norm": ([], {"group": None, "momentum": "0.1", "epsilon": "1e-5"}),
    "layer_norm": ([], {"epsilon": "1e-5"}),
    "group_norm": (["groups"], {"epsilon": "1e-5"}),
    "add": (["names"], {}),
    "concat": (["names"], {}),
    "multiply": (["names"], {}),
    "from": (["names"], {}),
    "loss": (["kind"], {"smoothing": "0", "weights": None, "delta": "1"}),
}
ACTIVATIONS = {
    "relu": F.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "gelu": F.gelu,
    "silu": F.silu,
    "hard_swish": F.hardswish,
    "softplus": F.softplus,
}


class Layer:
    """One line: its kind, its arguments as texts, and the name that it gives to its value."""

    def __init__(self, place, line):
        words = line.split()
        self.name = words.pop() if words[-2:-1] == ["as"] else None
        if self.name:
            words.pop()
        self.place, self.kind = place, words.pop(0)
        by_place, named = KINDS[self.kind]
        self.arguments = dict(named)
        for argument in by_place:
            if argument == "names":
                self.arguments[argument], words = words, []
            elif words or not argument.endswith("?"):
                self.arguments[argument] = words.pop(0)
        while words:
            word = words.pop(0)
            if word not in named:
                raise ValueError(f"{line}: unexpected {word}")
            self.arguments[word] = words.pop(0)

    def tensor(self, what):
        return f"{self.place}.{self.kind}.{what}"

    def sizes(self, argument):
        """(y, x) of "3" or "3x5"."""
        sizes = [int(size) for size in self.arguments[argument].split("x")]
        return (sizes[0], sizes[-1])

    def has_bias(self):
        return self.arguments["no"] != "bias"

    def number(self, argument):
        return float(self.arguments[argument])

    def list(self, argument):
        return [float(value) for value in self.arguments[argument].split(",")]


class Network:
    """draw(name, shape) gives a parameter's first values; parameters and statistics are tensors by name."""

    def __init__(self, text, draw, dtype):
        self.layers = []
        for line in (line.split("#")[0].strip() for line in text.strip().split("\n")):
            self.layers.append(Layer(len(self.layers) - sum(layer.kind == "from" for layer in self.layers), line))
        self.draw, self.dtype = draw, dtype
        self.parameters, self.statistics = {}, {}
        sizes = [int(size) for size in self.layers[0].arguments["shape"].split("x")]
        self.shape = [1] + sizes if len(sizes) == 2 else sizes
        self.inputs = torch.Size(self.shape).numel()
        with torch.no_grad():
            # twice an example, so that there is a variance; statistics that this changed are made anew
            self.outputs = self.run(torch.linspace(-1, 1, 2 * self.inputs, dtype=dtype).reshape(2, -1), True).shape[1]
        self.statistics = {}

    def parameter(self, layer, what, *shape):
        key = layer.tensor(what)
        if key not in self.parameters:
            self.parameters[key] = self.draw(key, shape).to(self.dtype).requires_grad_()
        return self.parameters[key]

    def weight_and_bias(self, layer, *shape, outputs=None):
        weight = self.parameter(layer, "weight", *shape)
        if "no" in layer.arguments and not layer.has_bias():
            return weight, None
        return weight, self.parameter(layer, "bias", outputs or shape[0])

    def run(self, x, training):
        """The outputs of a batch (N, inputs)."""
        named = {}
        for layer in self.layers[:-1]:
            x = self.apply(layer, x, named, training)
            if layer.name:
                named[layer.name] = x
        return x.reshape(len(x), -1)

    def apply(self, layer, x, named, training):
        kind, arguments = layer.kind, layer.arguments
        if kind in ACTIVATIONS:
            return ACTIVATIONS[kind](x)
        if kind == "leaky":
            return F.leaky_relu(x, layer.number("slope"))
        if kind in ("add", "concat", "multiply", "from"):
            return self.join(kind, x, [named[name] for name in arguments["names"]])
        if kind in ("batch_norm", "layer_norm", "group_norm"):
            return self.normalize(layer, x, training)
        return getattr(self, kind)(layer, x)

    def input(self, layer, x):
        x = x.reshape(len(x), *self.shape)
        by_channel = [1, -1] + [1] * (len(self.shape) - 1)
        mean = torch.tensor(layer.list("mean"), dtype=self.dtype).reshape(by_channel)
        std = torch.tensor(layer.list("std"), dtype=self.dtype).reshape(by_channel)
        return (x - mean) / std

    def dense(self, layer, x):
        x = x.reshape(len(x), -1)
        return F.linear(x, *self.weight_and_bias(layer, int(layer.arguments["units"]), x.shape[1]))

    def conv2d(self, layer, x):
        groups, units = int(layer.arguments["groups"]), int(layer.arguments["units"])
        weight, bias = self.weight_and_bias(layer, units, x.shape[1] // groups, *layer.sizes("kernel"))
        stride = layer.sizes("stride") if layer.arguments["stride"] else 1
        return F.conv2d(x, weight, bias, stride, layer.sizes("padding"), layer.sizes("dilation"), groups)

    def conv_transpose2d(self, layer, x):
        groups, units = int(layer.arguments["groups"]), int(layer.arguments["units"])
        weight, bias = self.weight_and_bias(layer, x.shape[1], units // groups, *layer.sizes("kernel"), outputs=units)
        stride = layer.sizes("stride") if layer.arguments["stride"] else 1
        after = layer.sizes("output_padding")
        return F.conv_transpose2d(x, weight, bias, stride, layer.sizes("padding"), after, groups)

    def max_pool(self, layer, x):
        stride = layer.sizes("stride") if layer.arguments["stride"] else None
        return F.max_pool2d(x, layer.sizes("kernel"), stride, layer.sizes("padding"))

    def avg_pool(self, layer, x):
        stride = layer.sizes("stride") if layer.arguments["stride"] else None
        return F.avg_pool2d(x, layer.sizes("kernel"), stride, layer.sizes("padding"))

    def global_avg_pool(self, layer, x):
        return x.mean((2, 3), keepdim=True)

    def flatten(self, layer, x):
        return x.reshape(len(x), -1)

    def upsample(self, layer, x):
        return F.interpolate(x, scale_factor=layer.sizes("factor"), mode="nearest")

    def pad(self, layer, x):
        top, left = layer.sizes("before")
        bottom, right = layer.sizes("after?") if "after?" in layer.arguments else (top, left)
        return F.pad(x, (left, right, top, bottom))

    def join(self, kind, x, others):
        if kind == "from":
            return others[0]
        if kind == "concat":
            return torch.cat([x] + others, 1)
        for other in others:
            x = x + other if kind == "add" else x * other
        return x

    def normalize(self, layer, x, training):
        channels, epsilon = x.shape[1], layer.number("epsilon")
        weight, bias = self.weight_and_bias(layer, channels)
        if layer.kind == "layer_norm" and x.dim() == 2:
            return F.layer_norm(x, (channels,), weight, bias, epsilon)
        if layer.kind != "batch_norm":
            return F.group_norm(x, int(layer.arguments.get("groups", 1)), weight, bias, epsilon)
        names = layer.tensor("running_mean"), layer.tensor("running_var")
        for name, start in zip(names, (torch.zeros, torch.ones)):
            self.statistics.setdefault(name, start(channels, dtype=self.dtype))
        mean, variance = (self.statistics[name] for name in names)
        if training and int(layer.arguments["group"] or len(x)) < len(x):
            raise ValueError("groups of the batch depend on its order")
        return F.batch_norm(x, mean, variance, weight, bias, training, layer.number("momentum"), epsilon)

    def loss(self, y, target, examples=None):
        """The mean over the batch, with the weights of examples."""
        layer = self.layers[-1]
        kind, classes = layer.arguments["kind"], None
        if layer.arguments["weights"]:
            classes = torch.tensor(layer.list("weights"), dtype=self.dtype)
        if kind == "softmax":
            smoothing = layer.number("smoothing")
            if examples is None:
                return F.cross_entropy(y, target, classes, label_smoothing=smoothing)
            losses = F.cross_entropy(y, target, reduction="none", label_smoothing=smoothing)
            return self.mean(losses, target, classes, examples)
        wanted = target
        if target.dim() == 1:
            wanted = F.one_hot(target, y.shape[1]).to(self.dtype)
        losses = {
            "bce": F.binary_cross_entropy_with_logits,
            "mse": F.mse_loss,
            "mae": F.l1_loss,
            "huber": lambda *args, **more: F.huber_loss(*args, **more, delta=layer.number("delta")),
        }[kind](y, wanted, reduction="none")
        return self.mean(losses.mean(1), target, classes, examples)

    @staticmethod
    def mean(losses, labels, classes, examples):
        weights = torch.ones_like(losses)
        if classes is not None:
            weights = weights * classes[labels]
        if examples is not None:
            weights = weights * examples
        return (losses * weights).sum() / weights.sum()
