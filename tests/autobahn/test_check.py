"""check.py itself: a report that is short, odd or bad must not pass."""

import contextlib
import io
import json
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from check import CASES, INFORMATIONAL, judge  # noqa: E402


def perfect():
    """A report in which every case passed; the numbers are right per category, as check.py counts them."""
    cases = set(INFORMATIONAL)
    for category, count in CASES.items():
        more = (f"{category}.1.{number}" for number in range(1, 1000))
        have = sum(case.startswith(f"{category}.") for case in cases)
        cases.update([case for case in more if case not in cases][: count - have])
    return {
        case: dict.fromkeys(("behavior", "behaviorClose"), "INFORMATIONAL" if case in INFORMATIONAL else "OK")
        for case in cases
    }


class Check(unittest.TestCase):
    def verdict(self, results, agent="agent"):
        with tempfile.TemporaryDirectory() as directory:
            if results is not None:
                with open(os.path.join(directory, "index.json"), "w") as file:
                    json.dump({agent: results}, file)
            self.printed = io.StringIO()
            with contextlib.redirect_stdout(self.printed):
                return judge(directory, "agent")

    def test_a_perfect_report_passes(self):
        self.assertTrue(self.verdict(perfect()))
        self.assertIn("autobahn-agent: 301 passed, 0 failed", self.printed.getvalue())

    def test_no_report_fails(self):
        self.assertFalse(self.verdict(None))
        self.assertFalse(self.verdict({}))
        self.assertFalse(self.verdict(perfect(), agent="another"))

    def test_a_missing_case_fails(self):
        results = perfect()
        del results["6.1.1"]
        self.assertFalse(self.verdict(results))
        self.assertIn("6.*: 144 cases ran, of 145", self.printed.getvalue())

    def test_each_bad_outcome_fails(self):
        for outcome in ("NON-STRICT", "FAILED", "UNIMPLEMENTED", "WRONG CODE", "UNCLEAN", "INFORMATIONAL"):
            for part in ("behavior", "behaviorClose"):
                with self.subTest(outcome=outcome, part=part):
                    results = perfect()
                    results["6.1.1"][part] = outcome
                    self.assertFalse(self.verdict(results))
                    self.assertIn(f"FAILED 6.1.1: {part} is {outcome}", self.printed.getvalue())

    def test_an_informational_case_may_not_fail(self):
        results = perfect()
        results["7.13.1"]["behaviorClose"] = "FAILED"
        self.assertFalse(self.verdict(results))

    def test_a_stray_case_fails(self):
        results = perfect()
        results["12.1.1"] = {"behavior": "OK", "behaviorClose": "OK"}
        self.assertFalse(self.verdict(results))


if __name__ == "__main__":
    unittest.main()
