#!/usr/bin/env python3
"""--budget in each command that takes one."""
import re
import sys

from checks import STORES, forecast, large_set, sweep_budgets, too_small
from common import case, expect, main, make_set, one_object


@case("--budget: bytes, K, M, G and shares of the device's memory")
def _(t):
    memory = one_object(t.run("devices", "--json"))["devices"][-1]["global_bytes"]
    for text, wanted in (("1048576", 1 << 20), ("1024K", 1 << 20), ("1M", 1 << 20), ("0.5M", 1 << 19), (".5M", 1 << 19),
                         ("1.5G", 3 << 29), ("007M", 7 << 20), ("100%", memory), ("25%", memory // 4),
                         ("12.5%", memory // 8), ("100.0%", memory), ("9223372036854775807", (1 << 63) - 1),
                         ("1000000000G", 1000000000 << 30)):
        for locale in ("C", "de_DE.UTF-8"):
            found = forecast(t, "--budget", text, env={"LC_ALL": locale})["budget"]
            expect(found == wanted, f"--budget {text}: {found}, expected {wanted}")


@case("--budget: what is no size is wrong usage, in each command that takes one")
def _(t):
    for text in ("0", "00", "-1", "-64M", "+1M", "64m", "64MB", "64MiB", "1T", "M", "%", "0%", "0.0%", "0M", "0.0001K",
                 "101%", "100.1%",
                 "-5%", "5%%", "1e3", "1e3M", "0x10", "0x10M", "1.5", "1.", ".", ".M", "1..5G", "1.2.3M", "1,5G",
                 " 64M", "64M ", "64 M", "nan", "nan%", "inf", "infM", "9223372036854775808", "8589934592G",
                 "9" * 400 + "G", "9" * 30, "a" * 5000):
        for words in (("train", t.net, t.data), ("plan", t.net), ("eval", "c", t.data)):
            t.fails(2, (f"--budget {text}: expected bytes", "64M", "--help"), *words, "--budget", text)
for _net, _count in (("mlp", 6), ("lenet", 4)):
    def budgets(t, net=_net, count=_count):
        data = large_set(t, t.place())
        least, digest = sweep_budgets(t, net, data, "reference", None, count)
        too_small(t, net, data, "reference", None, least)
        for tile in ("1", "7"):
            o = one_object(t.train(*STORES, "--steps", "2", "--tile", tile, "--json", net=net, data=data))
            expect(o["tile"] <= int(tile) and o["weights_sha256"] == digest and o["peak_bytes"] == o["forecast_bytes"],
                   f"{o}")
    case(f"--budget, {_net} on the reference: forecast and peak agree, the bits stay, the least is the least")(budgets)


@case("eval --budget: the least that it names does, a byte less does not, and the figures stay")
def _(t):
    path = t.checkpoint(t.place() / "c")
    words = ("eval", path, t.data, "--device", "reference", "--json")
    plain = one_object(t.run(*words))
    del plain["peak_bytes"], plain["host_bytes"]
    least = int(re.search(r"sufficient budget is (\d+)", t.fails(1, ("1 bytes",), *words, "--budget", "1").err)[1])
    t.fails(1, (f" {least}",), *words, "--budget", str(least - 1))
    for budget in (str(least), str(least + 3000), "1%", "100%"):
        o = one_object(t.run(*words, "--budget", budget))
        peak, _ = o.pop("peak_bytes"), o.pop("host_bytes")
        expect(o == plain, f"--budget {budget}: {o}, not {plain}")
        expect(peak == least if budget == str(least) else peak > least, f"--budget {budget}: {peak} bytes")
        expect("%" in budget or peak <= int(budget), f"--budget {budget}: {peak} bytes")


@case("an evaluation that needs more than training does is in the forecast, in the smallest budget and in the peak")
def _(t):
    folder = t.place()
    (folder / "n").write_text("input 1\ndense 1\n")
    where = {"net": folder / "n", "data": make_set(folder / "d", train=4, test=600, classes=1, size=1)}
    plan = forecast(t, "--batch", "1", **where)
    expect(plan["parts"]["evaluation"] > 0 and plan["min_budget"] == plan["bytes_total"], f"{plan}")
    for budget in ([], ["--budget", str(plan["min_budget"])]):
        o = one_object(t.train("--batch", "1", "--steps", "2", "--json", *budget, **where))
        expect(o["peak_bytes"] == o["forecast_bytes"] == plan["bytes_total"], f"{o}")
    t.train("--batch", "1", "--budget", str(plan["min_budget"] - 1), status=1, **where).says(str(plan["min_budget"]))


if __name__ == "__main__":
    sys.exit(main(__doc__))
