#!/usr/bin/env python3
"""tassello devices, and the choice of a device."""
import re
import sys

from common import case, expect, main, one_object


@case("devices: a table for people, the reference in it")
def _(t):
    result = t.run("devices")
    expect(re.match(r"id +type +units +memory +tier +name\n", result.out), "no table", result)
    expect(re.search(r"^reference  reference ", result.out, re.M) and "exact" in result.out, "no reference", result)
    expect(result.err == "", "stderr is not empty", result)


@case("devices --json: one object on one line; without any driver the reference is the only row")
def _(t):
    rows = one_object(t.run("devices", "--json"))["devices"]
    expect([r["id"] for r in rows] == ["reference"], f"rows {rows}")
    for key in ("long_id", "name", "vendor", "driver", "type", "compute_units", "clock_mhz", "global_bytes",
                "local_bytes",
                "max_alloc_bytes", "align_bytes", "fma", "denormals", "fp16", "fp64", "tier", "note"):
        expect(key in rows[0], f"{key} is missing")


@case("devices: a driver that is no library leaves the reference")
def _(t):
    folder = t.place()
    (folder / "broken.icd").write_text("/nonexistent/libnothing.so\n")
    (folder / "text.icd").write_text(str(t.net) + "\n")
    rows = one_object(t.run("devices", "--json", env={"OCL_ICD_VENDORS": str(folder)}))["devices"]
    expect(rows[-1]["id"] == "reference", f"rows {rows}")


@case("devices --measure on the reference gives figures")
def _(t):
    row = one_object(t.run("devices", "--json", "--measure"))["devices"][-1]
    expect(row["fma_gflops"] > 0 and row["copy_gbytes_s"] > 0, f"{row}")


@case("an unknown device names those there are")
def _(t):
    t.fails(1, ("no device gpu0", "reference"), "train", t.net, t.data, "--device", "gpu0")
    t.fails(1, ("no device gpu0", "reference"), "eval", t.checkpoint(t.place() / "c"), t.data,
            "--device", "gpu0")
    t.fails(1, ("no device gpu0", "reference"), "verify", "--device", "gpu0")
    t.fails(1, ("no device",), "train", t.net, t.data, "--device", "x" * 5000)


@case("no driver at all: the reference trains, which stderr says")
def _(t):
    result = t.train("--steps", "4", device=None).says("C reference")
    expect("device       reference" in result.out, "not the reference", result)
    expect(result.digest() == t.train("--steps", "4").digest(), "another digest")


@case("devices --net: the largest batch untiled, and the tile of 256")
def _(t):
    o = one_object(t.run("devices", "--net", "lenet", "--json"))
    row = o["devices"][-1]
    expect(o["network"] == "lenet" and row["id"] == "reference", f"{o}")
    expect(row["plan"] == {"batch": 256, "tile": 256, "tiles": 1, "largest_untiled": 4096}, f"{row}")
    text = t.run("devices", "--net", "lenet")
    expect(re.search(r"^  net        lenet: batches up to 4096 untiled; a batch of 256 takes 1 tile of 256$", text.out,
                     re.M), "no plan", text)
    t.fails(1, ("'mpl'",), "devices", "--net", "mpl")
    expect("plan" not in one_object(t.run("devices", "--json"))["devices"][-1], "a plan without --net")


if __name__ == "__main__":
    sys.exit(main(__doc__))
