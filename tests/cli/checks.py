"""Checks that several files of these tests share."""
import json
import re

from common import expect, leftovers, make_set, one_object, POCL_ICD

POCL = {"OCL_ICD_VENDORS": POCL_ICD}
STORES = ("--batch", "24", "--optimizer", "adam")  # SGD may need less memory for a whole batch than in tiles
SWEPT = ("--batches", "16,4", "--target-loss", "0.7", "--epochs", "20", "--seeds", "2", "--momentum", "0", "--brief")


def check_profile(t, device, **more):
    """The table stands between the peak and the result, the object has its keys, and the weights are the same."""
    plain = t.train("--steps", "20", device=device, **more)
    result = t.train("--steps", "20", "--profile", device=device, **more)
    expect(result.digest() == plain.digest(), "another digest", result)
    expect("profile" not in plain.out, "a profile that nobody asked for", plain)
    table = re.search(r"^peak memory .*\nprofile +\d+\.\d+ s on the device: .*\n"
                      r" +kernel +launches +seconds +share +bytes\n((?: .*\n)+)test accuracy", result.out, re.M)
    expect(table and re.search(r"^ +watch +20 +\d+\.\d+ +\d+\.\d %$", table[1], re.M), "no table, or in another place",
           result)
    o = one_object(t.train("--steps", "20", "--profile", "--json", device=device, **more))
    p = o["profile"]
    rows = {r["name"]: r for r in p["rows"]}
    expect(o["weights_sha256"] == plain.digest(), "another digest")
    expect(abs(p["wall_s"] - p["busy_s"] - p["gap_s"]) < 1e-6 and p["gap_s"] >= 0 and 0 < p["busy_s"], f"{p}")
    expect(p["wall_s"] <= o["seconds"] + 0.5, f"the start is in it: {p['wall_s']} s of {o['seconds']} s")
    watch = rows["watch"]
    expect(watch["launches"] == watch["timed"] == 20 and watch["bytes"] == 0, f"{watch}")
    expect(re.search(r"^ +each step moves [\d.]+ [KM]iB; [\d.]+ [KM]iB would do: ", table[1], re.M), "no bytes", result)
    expect(p["steps"] == 20 and p["step_bytes"] > p["least_step_bytes"] > 0, f"{p}")
    expect(rows["read"]["bytes"] > 0 and rows["write"]["bytes"] >= 240 * 4, f"{rows}")
    expect([r["seconds"] for r in p["rows"]] == sorted((r["seconds"] for r in p["rows"]), reverse=True), f"{p['rows']}")


def check_noise(t, device, **more):
    """A line before the result, keys in the object and the log, memory as planned, and the same weights."""
    log = t.place() / "log"
    run = ("--steps", "96", "--momentum", "0")
    plain = t.train(*run, device=device, **more)
    result = t.train(*run, "--noise", device=device, **more)
    expect(result.digest() == plain.digest(), "another digest", result)
    expect("noise" not in plain.out, "noise that nobody asked for", plain)
    line = (r"^peak memory .*\nnoise scale  (?:[\d.e+]+ examples \([\d.e+]+ to [\d.e+]+\)|at least [\d.e+]+ examples|"
            r"not known yet), 6 steps measured( in groups of 16 examples)?\n +of the gradient.*\ntest ")
    found = re.search(line, result.out, re.M)
    expect(found and "plain SGD" in found[0], "no line, or in another place", result)
    o = one_object(t.train(*run, "--noise", "--json", "--log", log, device=device, **more))
    n = o["noise"]
    expect(set(n) == {"state", "value", "low", "high", "steps", "group", "obstacle"} and n["steps"] == 6, f"{n}")
    expect(n["group"] == (16 if found[1] else 1) and n["obstacle"] is None, f"{n}")
    expect(n["state"] != "known" or n["low"] <= n["value"] <= n["high"], f"{n}")
    expect(o["peak_bytes"] == o["forecast_bytes"] > one_object(t.train(*run, "--json", device=device,
                                                                       **more))["peak_bytes"], f"{o}")
    expect(forecast(t, "--batch", "16", "--noise", device=device, **more)["bytes_total"] == o["peak_bytes"],
           "not as planned")
    steps = [json.loads(text) for text in log.read_text().splitlines()[1:-1]]
    expect([s["step"] for s in steps if "trace" in s and "square" in s] == [16, 32, 48, 64, 80, 96], f"{steps}")
    traces, squares = (sum(s.get(key, 0) for s in steps) for key in ("trace", "square"))
    expect(n["value"] is None if squares <= 0 else abs(n["value"] - traces / squares) < 1e-6 * abs(n["value"]),
           f"{n}, {traces / squares}")
    return o


def check_preconditioned_noise(t, device, **more):
    """A second range under Adam, in the text, the object and the log; the first one as it is; memory as planned."""
    log = t.place() / "log"
    run = ("--steps", "256", "--optimizer", "adamw")
    plain = t.train(*run, device=device, **more)
    result = t.train(*run, "--noise", device=device, **more)
    expect(result.digest() == plain.digest(), "another digest", result)
    line = (r"^noise scale  .*\n +of the gradient, .*\npreconditioned noise scale  "
            r"(?:[\d.e+]+ examples \([\d.e+]+ to [\d.e+]+\)|at least [\d.e+]+ examples|not known yet), "
            r"(\d) steps? measured in groups of \d+ examples\n +of the gradient as Adam scales it")
    found = re.search(line, result.out, re.M)
    expect(found, "no line, or in another place", result)
    o = one_object(t.train(*run, "--noise", "--json", "--log", log, device=device, **more))
    n = o["preconditioned_noise"]
    expect(set(n) == set(o["noise"]) and n["steps"] == int(found[1]) > 0 and n["obstacle"] is None, f"{n}")
    expect(n["state"] != "known" or n["low"] <= n["value"] <= n["high"], f"{n}")
    expect(o["peak_bytes"] == o["forecast_bytes"], f"{o}")
    expect(forecast(t, "--batch", "16", "--noise", "--optimizer", "adamw", device=device,
                    **more)["bytes_total"] == o["peak_bytes"], "not as planned")
    steps = [json.loads(text) for text in log.read_text().splitlines()[1:-1]]
    of = [s for s in steps if "preconditioned_trace" in s and "preconditioned_square" in s]
    expect(len(of) == n["steps"] and all(s["step"] > 32 and "trace" in s for s in of), f"{steps}")
    traces, squares = (sum(s["preconditioned_" + key] for s in of) for key in ("trace", "square"))
    expect(n["value"] is None if squares <= 0 else abs(n["value"] - traces / squares) < 1e-6 * abs(n["value"]),
           f"{n}, {traces / squares}")
    return o


def forecast(t, *arguments, net=None, data=True, device="reference", **more):
    where = [t.data] if data is True else [data] if data else []
    return one_object(t.run("plan", net or t.net, *where, "--device", device, "--json", *arguments, **more))


def large_set(t, folder):
    """What mlp and lenet take."""
    return make_set(folder / "d28", train=90, test=20, size=28, classes=10)


def sweep_budgets(t, net, data, device, env, count):
    """Budgets from the least on: the forecast is what train takes, to the byte, and the weights do not know of it."""
    words = {"net": net, "data": data, "device": device, "env": env}
    whole = forecast(t, *STORES, **words)
    least = whole["min_budget"]
    seen, digests = set(), set()
    for i in range(-1, count + 1):
        budget = least + (whole["bytes_total"] - least) * max(i, 0) // count + (i == -1)
        plan = forecast(t, *STORES, "--budget", str(budget), **words)
        o = one_object(t.train(*STORES, "--steps", "2", "--budget", str(budget), "--json", **words))
        told = (plan["bytes_total"], plan["tile"], plan["tiles"], plan["resident"])
        expect((o["forecast_bytes"], o["tile"], o["tiles"], o["resident"]) == told, f"plan says {plan}, train {o}")
        expect(o["peak_bytes"] == o["forecast_bytes"] <= budget, f"{o['peak_bytes']} bytes were taken, {plan} forecast")
        seen.add((plan["tile"], plan["resident"]))
        digests.add((o["weights_sha256"], o["loss"], o["accuracy"]))
    expect(len(digests) == 1, f"the results differ with the budget: {digests}")
    expect({resident for _, resident in seen} == {True, False} and len(seen) > 3,
           f"not each kind of plan was seen: {seen}")
    return least, digests.pop()[0]


def too_small(t, net, data, device, env, least):
    """The least budget does, and a byte less does not; then nothing is written."""
    folder = t.place()
    words = (*STORES, "--steps", "2", "--save", folder / "s", "--log", folder / "l")
    more = {"net": net, "data": data, "device": device, "env": env}
    result = t.train(*words, "--budget", str(least - 1), status=1, **more).says("budget", f" {least}")
    expect(result.out == "" and not leftovers(folder), f"left behind: {leftovers(folder)}", result)
    t.train(*words, "--budget", str(least), **more)
    expect(leftovers(folder) == ["l", "s"], f"{leftovers(folder)}")
