"""What the loop over the steps of a product costs beside the products, by the text of a kernel: AMD's instructions, or
NVIDIA's PTX.

- share: the percentage of fma among the instructions of a round. A loop within, which has the products of a few of the
  round's steps, counts as often as it runs.
- waits: how often a round waits for loads from global memory that are under way for fewer than 32 fma: for nothing to
  do meanwhile. A wait for several loads at once is one; serial loads wait each.

PTX has the order of the source rather than that of the machine, so that its waits are those that the source asks for.
"""

import re

HIDDEN = 32  # fma between a load and its use, for the wait not to count

AMD_LOAD = re.compile(r"(global|flat|buffer)_load_")
AMD_FMA = re.compile(r"v_(?:dual_|pk_)?fma")


class Line:
    """An instruction, or a label."""

    def __init__(self, label=None, target=None, products=0, loads=(), is_load=False, left=None, uses=()):
        self.label, self.target = label, target  # of a branch
        self.products = products  # fma of an item
        self.is_load, self.loads = is_load, loads  # from global memory, and the registers that it writes
        self.left = left  # of the loads under way, after a wait
        self.uses = uses  # registers


def read_amd(body):
    for text in body.splitlines():
        text = text.partition(";")[0].strip()
        label = re.match(r"(\.LBB\w+):", text)
        if label:
            yield Line(label=label[1])
        elif re.match(r"[a-z]\w+", text):
            branch = re.match(r"s_c?branch\w*\s+(\S+)", text)
            left = re.search(r"vmcnt\((\d+)\)", text) if text.startswith("s_waitcnt") else None
            yield Line(
                target=branch and branch[1],
                products=len(AMD_FMA.findall(text)) * (2 if "v_pk_" in text else 1),
                is_load=bool(AMD_LOAD.match(text)),
                left=left and int(left[1]),
            )


def read_ptx(body):
    for text in body.splitlines():
        text = text.partition("//")[0].strip()
        label = re.match(r"(\$L\w+):", text)
        if label:
            yield Line(label=label[1])
        elif text.endswith(";") and not text.startswith("."):
            branch = re.search(r"\bbra(?:\.uni)?\s+(\$L\w+)", text)
            names = re.findall(r"%[a-z]+\d+", text)
            written = names[: text.partition("[")[0].count("%")] if re.search(r"\bld\.global", text) else []
            yield Line(
                target=branch and branch[1],
                products=len(re.findall(r"\bfma\.rn\.f32", text)),
                is_load=bool(written),
                loads=written,
                uses=[] if written else names,
            )


def find_loops(code):
    places = {line.label: at for at, line in enumerate(code) if line.label}
    for at, line in enumerate(code):
        begin = places.get(line.target, at)
        if begin < at:
            yield code[begin : at + 1]


def find_round(code):
    """The loop that loads, of the most products, and of those the shortest."""
    loops = [loop for loop in find_loops(code) if any(line.is_load for line in loop)]
    return min(loops, key=lambda loop: (-sum(line.products for line in loop), len(loop)), default=[])


def find_share(loop, products):
    """Of a round that has so many products of an item."""
    inner = max(find_loops(loop[:-1]), key=lambda part: sum(line.products for line in part), default=[])
    inside = {id(line) for line in inner}
    once = sum(line.products for line in inner)
    times = (products - sum(line.products for line in loop if id(line) not in inside)) / once if once else 1
    share = total = 0
    for line in loop:
        count = times if id(line) in inside else 1
        share += count if line.products else 0
        total += 0 if line.label else count
    return round(100 * share / total)


def count_waits(loop):
    """Those of the second of two rounds: loads may be under way from one to the next."""
    waits, products, under_way, loads, counted = 0, 0, [], 0, 0
    for number, line in enumerate([*loop, *loop]):
        products += bool(line.products)
        done = len(under_way) - line.left if line.left is not None else 0
        used = [at for at, load in enumerate(under_way) if set(load[1]) & set(line.uses)]
        if used:
            done = used[-1] + 1
        if done > 0:
            last = under_way[done - 1]
            under_way = under_way[done:]
            if products - last[0] < HIDDEN and last[2] > counted:  # issued since the last wait that counts
                waits += number >= len(loop)
                counted = loads
        if line.is_load:
            loads += 1
            under_way.append((products, line.loads, loads))
    return waits


def measure(body, read, products):
    """(share, waits) of a kernel whose items have so many products in a round; None without such a loop."""
    loop = find_round(list(read(body)))
    if not any(line.products for line in loop):
        return None
    return find_share(loop, products), count_waits(loop)
