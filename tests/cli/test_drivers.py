#!/usr/bin/env python3
"""The command on PoCL; skipped without it."""
import json
import random
import re
import signal
import sys

from checks import (POCL, STORES, SWEPT, check_noise, check_preconditioned_noise, check_profile, forecast, large_set,
                    sweep_budgets, too_small)
from common import case, expect, LAST, leftovers, main, one_object


@case("train --optimizer adam, adamw on PoCL: the reference's digests, whatever the tile and the budget", needs="pocl")
def _(t):
    for optimizer in ("adam", "adamw"):
        run = ("--steps", "20", "--optimizer", optimizer, "--weight-decay", "0.01")
        plain = t.train(*run).digest()
        least = forecast(t, "--batch", "16", "--optimizer", optimizer, device="pocl", env=POCL)["min_budget"]
        for more in ((), ("--tile", "3"), ("--budget", str(least))):
            expect(t.train(*run, *more, device="pocl", env=POCL).digest() == plain,
                   f"another digest with {optimizer} {more}")
        t.train(*run, "--budget", str(least - 1), device="pocl", env=POCL, status=1).says(str(least))


@case("pocl: trains to the reference's bits", needs="pocl")
def _(t):
    expect(t.train("--steps", "20", device="pocl", env=POCL).digest() == t.train("--steps", "20").digest(),
           "digests differ")
    result = t.train("--steps", "20", device=None, env=POCL)
    expect("device       pocl" in result.out, "not chosen by itself", result)


@case("pocl: train --noise tells what the reference tells", needs="pocl")
def _(t):
    expect(check_noise(t, "pocl", env=POCL)["noise"] == check_noise(t, "reference")["noise"], "another noise scale")


@case("pocl: train --noise --optimizer adamw tells what the reference tells", needs="pocl")
def _(t):
    pocl, reference = check_preconditioned_noise(t, "pocl", env=POCL), check_preconditioned_noise(t, "reference")
    for key in ("noise", "preconditioned_noise"):
        expect(pocl[key] == reference[key], f"another {key}")


@case("pocl: train --profile", needs="pocl")
def _(t):
    check_profile(t, "pocl", env=POCL)


@case("pocl: a sweep begun on the reference goes on: runs are kept, steps timed again, memory is not the reference's",
      needs="pocl")
def _(t):
    folder = t.place()
    words = ("sweep", t.net, t.data, *SWEPT, "--state", folder / "s", "--json", folder / "j")
    t.run(*words, "--device", "reference", env=POCL)
    first, files = json.loads((folder / "j").read_text()), leftovers(folder / "s")
    second = t.run(*words, "--device", "pocl", env=POCL)
    again = json.loads((folder / "j").read_text())
    expect(leftovers(folder / "s") == files, f"other runs: {leftovers(folder / 's')}", second)
    expect(again["device"].startswith("pocl") and first["device"] == "reference", f"{again['device']}")

    def of(o):
        return sorted((r["batch"], r["lr"], r["seed"], r["search"], r["steps"] or 0, len(r["points"]))
                      for r in o["runs"])
    expect(of(again) == of(first), f"{of(first)}\n{of(again)}", second)
    for old, new in zip(first["batches"], again["batches"]):
        expect(new["step_s"] != old["step_s"] and new["lr"] == old["lr"] and new["steps"] == old["steps"],
               f"{old} {new}")
        expect(old["memory_used"] and not new["memory_used"] and new["memory_elsewhere"], f"{new}")
    second.says("another device", "budget")


@case("pocl: two of its devices: the short id is ambiguous, the long ones work", needs="pocl")
def _(t):
    two = {**POCL, "POCL_DEVICES": "pthread pthread"}
    result = t.fails(1, ("more than one device is named pocl",), "train", t.net, t.data, "--device", "pocl", env=two)
    ids = re.search(r"choose one of (.*)", result.err)[1].split(", ")
    expect(len(set(ids)) == 2 and all(i.startswith("pocl@") for i in ids), f"{ids}")
    rows = one_object(t.run("devices", "--json", env=two))["devices"]
    expect([r["id"] for r in rows] == [*ids, "reference"], f"{rows}")
    digests = {t.train("--steps", "3", device=i, env=two).digest() for i in ids}
    expect(digests == {t.train("--steps", "3").digest()}, f"{digests}")
    t.train("--steps", "3", device=ids[0], env=POCL)  # the long form is accepted where the short one would do
    t.fails(1, ("no device gpu", *ids), "train", t.net, t.data, "--device", "gpu", env=two)


@case("pocl: without a cache folder of its own it has no device: its row and every message say why", needs="pocl")
def _(t):
    env = {**POCL, "POCL_CACHE_DIR": "/proc/nothing"}
    rows = one_object(t.run("devices", "--json", env=env))["devices"]
    expect([(r["id"], r["type"]) for r in rows] == [("pocl", "none"), ("reference", "reference")], f"{rows}")
    expect("no usable device" in rows[0]["note"], f"{rows}")
    hidden = {**env, "HOME": "/proc/nothing", "XDG_CACHE_HOME": ""}
    for variables, remedy in ((env, "the driver's own"), (hidden, "check HOME,")):
        result = t.run("devices", env=variables)
        expect(remedy in result.out and "Portable Computing Language" in result.out, "no reason", result)
    t.train("--steps", "1", device=None, env=env).says("pocl: no usable device", "using the C reference")
    for name in ("pocl", "pocl-gpu", "pocl@12345678"):
        t.fails(1, ("pocl", "no usable device"), "train", t.net, t.data, "--device", name, env=env)
    result = t.run("verify", "--all", "--cases", "0", env=env)
    expect("no usable device" in result.out and "1 passed, 0 failed, 1 skipped" in result.out, "not skipped", result)


@case("pocl: a cache that cannot be written, or is full, or is no folder: it works all the same", needs="pocl")
def _(t):
    folder = t.place()
    (folder / "file").write_text("")
    plain = t.train("--steps", "3").digest()
    for cache in ("/proc/nothing", str(folder / "file"), "relative"):
        result = t.train("--steps", "3", device="pocl", env={**POCL, "XDG_CACHE_HOME": cache})
        expect(result.digest() == plain and "cannot" not in result.err, f"{cache}", result)
    expect(leftovers(folder) == ["file"], f"{leftovers(folder)}")


@case("pocl: damaged files in the cache are built again", needs="pocl")
def _(t):
    cache = t.place()
    env = {**POCL, "XDG_CACHE_HOME": str(cache)}
    plain = t.train("--steps", "3", device="pocl", env=env).digest()
    draw = random.Random(2)
    for path in (cache / "tassello").iterdir():
        data = path.read_bytes()
        path.write_bytes(draw.choice((b"", data[:len(data) // 2], draw.randbytes(len(data)), data + b"x",
                                      b"refused\n")))
    result = t.train("--steps", "3", device="pocl", env=env)
    expect(result.digest() == plain, "another digest", result)


@case("pocl: two trainings at once with one fresh cache", needs="pocl")
def _(t):
    cache = t.place()
    children = [t.start("train", t.net, t.data, "--device", "pocl", "--batch", "16", "--lr", "0.05", "--steps", "3",
                        env={**POCL, "XDG_CACHE_HOME": str(cache)})
                for _ in range(2)]
    ends = [(c.communicate(timeout=300), c.returncode) for c in children]
    expect(all(status == 0 for _, status in ends), f"{ends}")
    expect({LAST.search(out.decode())[3] for (out, _), _ in ends} == {t.train("--steps", "3").digest()}, f"{ends}")
    expect(not [p.name for p in cache.rglob("*.??????") if re.search(r"\.\w{6}$", p.name)],
           f"left behind: {list(cache.rglob('*'))}")


@case("pocl: SIGINT", needs="pocl")
def _(t):
    folder = t.place()
    child = t.start("train", t.net, t.data, "--device", "pocl", "--batch", "240", "--epochs", "100000000", "--save",
                    folder / "s", env=POCL)
    for line in child.stderr:
        if line.startswith(b"step "):
            break
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    expect(child.returncode == 130, f"status {child.returncode}: {err[-500:]}")
    digest = re.search(rb"weights sha256 (\w{64})\n\Z", out)[1].decode()
    expect(t.run("eval", folder / "s", t.data, "--device", "reference").digest() == digest, "another digest")
for _net in ("mlp", "lenet"):
    def pocl_budgets(t, net=_net):
        data = large_set(t, t.place())
        least, digest = sweep_budgets(t, net, data, "pocl", POCL, 4)
        too_small(t, net, data, "pocl", POCL, least)
        plain = t.train(*STORES, "--steps", "2", net=net, data=data).digest()
        expect(digest == plain, "another digest than the reference's")
        for tile in ("1", "7"):
            o = one_object(t.train(*STORES, "--steps", "2", "--tile", tile, "--json", net=net, data=data,
                                   device="pocl", env=POCL))
            expect(o["tile"] <= int(tile) and o["weights_sha256"] == digest and o["peak_bytes"] == o["forecast_bytes"],
                   f"{o}")
    case(f"pocl: --budget, {_net}: forecast and peak agree, the bits are the reference's, the least is the least",
         needs="pocl")(pocl_budgets)


@case("pocl: devices --net opens it", needs="pocl")
def _(t):
    row = one_object(t.run("devices", "--net", "lenet", "--json", env=POCL))["devices"][0]
    expect(row["id"] == "pocl" and row["tier"] == "exact" and row["plan"]["largest_untiled"] >= 256, f"{row}")
    expect(row["plan"]["tile"] * row["plan"]["tiles"] >= 256, f"{row}")


if __name__ == "__main__":
    sys.exit(main(__doc__))
