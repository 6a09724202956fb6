#!/usr/bin/env python3
"""Judges a report of Autobahn's fuzzingclient: every case run, every case OK in behaviour and in close.

    tests/autobahn/check.py REPORT_DIRECTORY AGENT

Ends with `autobahn-AGENT: N passed, N failed, N skipped`, and with status 1 unless every case passed.
"""

import json
import os
import sys

# How many cases Autobahn 0.8.2 has in each category asked for. A report that misses one is no pass.
CASES = {1: 16, 2: 11, 3: 7, 4: 10, 5: 20, 6: 145, 7: 37, 9: 54, 10: 1}

# Cases whose outcome Autobahn itself does not judge: 7.1.6 races a 256 KiB echo against a close, 7.13.x send close
# codes that RFC 6455 leaves undefined (5000, 65536).
INFORMATIONAL = {"7.1.6", "7.13.1", "7.13.2"}


def faults(results):
    """The faults of one agent's results (case number to outcome), as (case, what is wrong) pairs in case order."""
    found = []
    for case in sorted(results, key=case_order):
        outcome = results[case]
        wanted = "INFORMATIONAL" if case in INFORMATIONAL else "OK"
        for part in ("behavior", "behaviorClose"):
            got = outcome.get(part, "absent")
            if got not in (wanted, "OK"):
                found.append((case, f"{part} is {got}"))
    return found


def missing(results):
    """What the report lacks or has too many of, as (category, what is wrong) pairs."""
    found = []
    for category, expected in CASES.items():
        ran = sum(1 for case in results if case_order(case)[0] == category)
        if ran != expected:
            found.append((f"{category}.*", f"{ran} cases ran, of {expected}"))
    strays = [case for case in results if case_order(case)[0] not in CASES]
    return found + [(case, "not a case of this run") for case in strays]


def case_order(case):
    return [int(part) for part in case.split(".")]


def table(results):
    """One line per category: how many cases ran, and with which outcome."""
    lines = [f"{'cases':>7}  {'ran':>4}  {'OK':>4}  {'INFORMATIONAL':>13}  {'other':>5}  {'slowest':>8}"]
    for category in CASES:
        outcomes = {case: one for case, one in results.items() if case_order(case)[0] == category}
        kinds = [{one.get("behavior"), one.get("behaviorClose")} for one in outcomes.values()]
        good = sum(kind == {"OK"} for kind in kinds)
        informational = sum("INFORMATIONAL" in kind and kind <= {"OK", "INFORMATIONAL"} for kind in kinds)
        slowest = max((one.get("duration", 0) for one in outcomes.values()), default=0)
        lines.append(
            f"{category:>5}.*  {len(outcomes):>4}  {good:>4}  {informational:>13}  "
            f"{len(outcomes) - good - informational:>5}  {slowest:>5} ms"
        )
    return "\n".join(lines)


def judge(report_directory, agent):
    """Prints table, faults and counts; returns whether every case passed."""
    try:
        with open(os.path.join(report_directory, "index.json")) as file:
            results = json.load(file)[agent]
    except (OSError, KeyError, ValueError) as error:
        print(f"no report of {agent} in {report_directory}: {error!r}")
        results = {}
    bad = faults(results)
    gaps = missing(results)
    print(table(results))
    for case, fault in gaps:
        print(f"FAILED {case}: {fault}")
    for case, fault in bad:
        print(f"FAILED {case}: {fault} (see {os.path.join(report_directory, results[case].get('reportfile', '?'))})")
    failed = len({case for case, _ in bad}) + len(gaps)
    passed = len(results) - len({case for case, _ in bad})
    print(f"autobahn-{agent}: {passed} passed, {failed} failed, 0 skipped")
    return failed == 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(0 if judge(sys.argv[1], sys.argv[2]) else 1)
