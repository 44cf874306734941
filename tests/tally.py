#!/usr/bin/env python3
"""Sums the tests of Meson's runs, which tests/tap wrapped: `N passed, N failed, N skipped`.

    tally.py [--expect WORD]... LOG ...   LOG: meson-logs/testlog-tap.json of each build

A program of Check counts with its tests, any other as one. What was skipped is named with its reason. A word that is
expected (a driver) must be in the name or the suites of a test that ran, and of none that was skipped.
"""

import argparse
import json
import re
import sys
from pathlib import Path

TAP = re.compile(r"^TAP (ok|not ok) \d+ - ?(.*)$", re.M)


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.ran, self.skips = [], []

    def add(self, test):
        output = test.get("stdout", "") or ""
        marks = TAP.findall(output)
        bad = [text for mark, text in marks if mark == "not ok"]
        result = test["result"]
        if result == "SKIP":
            reason = [line for line in output.splitlines() if line.strip() and not line.startswith("TAP ")]
            self.skipped += 1
            self.skips.append(test["name"])
            print(f"skipped: {test['name']}: {reason[-1].strip() if reason else 'no reason given'}")
            return
        self.ran.append(test["name"])
        self.passed += len(marks) - len(bad)
        if result in ("OK", "EXPECTEDFAIL"):
            self.passed += 0 if marks else 1
            self.failed += len(bad)  # a program that reports a failure and exits with 0
        else:
            self.failed += len(bad) or 1
            print(f"FAILED: {test['name']} ({result.lower()})")
        for text in bad:
            print(f"FAILED: {test['name']}: {text}")

    def expect(self, word):
        """A driver that is expected here, and was skipped or not even tried, is a failure."""
        lost = [name for name in self.skips if word in name]
        for name in lost:
            print(f"FAILED: {name}: skipped, but {word} is expected here")
        if not lost and not any(word in name for name in self.ran):
            print(f"FAILED: no test ran for {word}, which is expected here")
            lost = [word]
        self.failed += len(lost)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--expect", action="append", default=[], metavar="WORD")
    parser.add_argument("logs", nargs="+", metavar="LOG")
    arguments = parser.parse_args()
    tally = Tally()
    for log in arguments.logs:
        lines = Path(log).read_text().splitlines() if Path(log).exists() else []
        if not lines:
            print(f"FAILED: {log}: no test ran")
            tally.failed += 1
        for line in lines:
            tally.add(json.loads(line))
    for word in arguments.expect:
        tally.expect(word)
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
