"""run-client itself: a client that does well is seen to, and one that leaves, fails or hangs is no pass."""

import contextlib
import io
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from check import judge  # noqa: E402
from wstest import ROOT, fuzz_client, is_installed  # noqa: E402

PYTHON = os.path.join(ROOT, ".deps/python/bin/python")
WEBSOCKETS = [PYTHON, "tests/autobahn/websockets_agent.py", "{url}", "{agent}"]
AGENT = "test"


@unittest.skipUnless(is_installed() and os.path.exists(PYTHON), "Autobahn's test suite is not installed (scripts/setup test)")
class RunClient(unittest.TestCase):
    def fuzz(self, command, deadline=60):
        report, wrong = fuzz_client(AGENT, command, ["1.1.*"], deadline)
        try:
            with open(os.path.join(ROOT, report, "index.json")) as file:
                return json.load(file)[AGENT], wrong
        except FileNotFoundError:
            return {}, wrong

    def test_a_client_of_others_passes_what_it_ran(self):
        results, wrong = self.fuzz(WEBSOCKETS)
        self.assertIsNone(wrong)
        self.assertEqual(sorted(results), [f"1.1.{number}" for number in range(1, 9)])
        self.assertEqual({outcome[part] for outcome in results.values() for part in ("behavior", "behaviorClose")}, {"OK"})

    def test_a_client_that_leaves_early_is_missed(self):
        results, wrong = self.fuzz([*WEBSOCKETS, "2"])
        self.assertIsNone(wrong)
        self.assertEqual(sorted(results), ["1.1.1", "1.1.2"])
        with contextlib.redirect_stdout(io.StringIO()) as said:
            self.assertFalse(judge(os.path.join(ROOT, "build/autobahn", AGENT), AGENT))
        self.assertIn("1.*: 2 cases ran, of 16", said.getvalue())

    def test_a_client_that_fails_is_told(self):
        results, wrong = self.fuzz(["sh", "-c", "echo no such thing >&2; exit 3"])
        self.assertEqual(results, {})
        self.assertIn("ended with 3, and said: no such thing", wrong)

    def test_a_client_that_hangs_is_ended(self):
        results, wrong = self.fuzz([PYTHON, "-c", "import signal; signal.pause()"], deadline=0.5)
        self.assertEqual(results, {})
        self.assertIn("still runs", wrong)


if __name__ == "__main__":
    unittest.main()
