"""The benchmarks: that they run and that what they print is what they measured. How fast anything is, is not asked here."""

import contextlib
import dataclasses
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "benches"))
from bench import before, clients, main, measure, picture, report, rows, servers  # noqa: E402

OURS = ["wspush-c", "wspush-php"]
OUR_CLIENTS = [client.name for client in clients.CLIENTS.values() if not client.peer and client is not clients.BARE_CLIENT]


class ShortRun(unittest.TestCase):
    """Everything, but without the peers, which not every machine has, and with few connections, which it may not allow."""

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.directory.cleanup)
        cls.files = {kind: os.path.join(cls.directory.name, f"speed.{kind}") for kind in ("json", "svg")}
        cls.done = run_benches("--servers", ",".join(OURS), "--clients", ",".join(OUR_CLIENTS), "--connections", "200", "--json", cls.files["json"],
                               "--svg", cls.files["svg"])
        if cls.done.returncode == 0:
            cls.figures = json.loads(pathlib.Path(cls.files["json"]).read_text())

    def setUp(self):
        self.assertEqual(self.done.returncode, 0, self.done.stderr + self.done.stdout)

    def test_every_row_has_a_figure_of_every_server(self):
        self.assertEqual(list(self.figures["rows"]), [row.id for row in rows.rows(200)])
        for row in report.server_table(self.figures).rows:
            for name in OURS:
                with self.subTest(row=row.id, server=name):
                    ratio, = report.ratios(self.figures["rows"][row.id][name], row.figure)
                    self.assertGreater(ratio, 0)

    def test_every_row_of_clients_has_a_figure_of_every_client(self):
        self.assertEqual(list(self.figures["clients"]), [row.id for row in rows.client_rows()])
        for row in report.client_table(self.figures).rows:
            for name in OUR_CLIENTS:
                for figure in (row.figure, report.CLIENT_CPU):
                    with self.subTest(row=row.id, client=name, figure=figure):
                        ratio, = report.ratios(self.figures["clients"][row.id][name], figure)
                        self.assertGreater(ratio, 0)

    def test_idle_connections_and_two_reactors_have_figures(self):
        self.assertEqual(list(self.figures["idle"]), ["tcp_echo", *OURS])
        for figures in self.figures["idle"].values():
            self.assertEqual(figures["connections"], 200)
            self.assertIn("user_bytes_per_connection", figures)
        self.assertEqual(len(report.ratios(self.figures["reactors"], report.CPU)), 1)

    def test_what_is_printed_has_every_row_and_says_where_it_was_measured(self):
        self.assertNotIn("failed", self.done.stdout)
        for words in [row.title for row in rows.rows(200) + rows.client_rows()] + ["200 idle connections", "reactors=2", "TCP", "Linux", "PHP"]:
            self.assertIn(words, self.done.stdout)

    def test_a_run_that_was_kept_is_shown_again_for_the_readme(self):
        shown = run_benches("--read", self.files["json"], "--markdown")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        table = [line for line in shown.stdout.splitlines() if line.startswith("|")]
        servers_lines = 2 + len(rows.rows(200)) + 1
        self.assertEqual({line.count("|") for line in table[:servers_lines]}, {2 + 1 + len(OURS)})
        self.assertEqual(len(table[servers_lines:]), 2 + len(rows.client_rows()))
        self.assertEqual({line.count("|") for line in table[servers_lines:]}, {2 + 1 + len(OUR_CLIENTS)})

    def test_the_picture_is_a_drawing_with_a_bar_for_each_figure(self):
        svg = xml.etree.ElementTree.parse(self.files["svg"]).getroot()
        colours = [element.get("fill") for element in svg.iter("{http://www.w3.org/2000/svg}rect")]
        for name in OURS:
            of_clients = len(rows.client_rows()) if name in OUR_CLIENTS else 0
            self.assertEqual(colours.count(picture.COLOURS[name]), len(rows.rows(200)) + 1 + of_clients)


class Before(unittest.TestCase):
    """A checkout beside another one, which may be itself."""

    def test_every_row_has_a_ratio_in_c_and_in_php(self):
        wanted = ["20x1", "fan-out", "client-20x1"]
        done = run_benches("--before", str(ROOT), "--connections", "100", "--rows", ",".join([*wanted, "idle"]))
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        titles = [row.title for row in rows.rows(100) + rows.client_rows() if row.id in wanted] + ["100 idle connections, bytes of user space each"]
        for title in titles:
            with self.subTest(row=title):
                self.assertIn(f"{title}\n", done.stdout)
                lines = done.stdout.split(f"{title}\n")[1].splitlines()[:2]
                self.assertEqual([line.split()[0] for line in lines], OURS)
                self.assertTrue(all(float(line.split()[1]) > 0 for line in lines), lines)

    def test_all_of_the_other_checkout_is_its_own(self):
        for entrant in [servers.WSPUSH_C, servers.WSPUSH_PHP, *clients.OURS]:
            other = before.of_checkout(entrant, pathlib.Path("/elsewhere"))
            commands = list(other.commands.values()) if entrant in before.OUR_SERVERS else [other.words]
            words = [word for command in commands for word in command]
            self.assertNotIn(str(ROOT), " ".join(words))
            self.assertTrue(any(word.startswith("/elsewhere/") for word in words), words)


class Rounds(unittest.TestCase):
    def test_the_baseline_is_beside_every_server(self):
        for count in range(1, 9):
            others = list(range(count))
            for turn in (0, 1):
                groups = measure.neighbours("bare", others, turn)
                self.assertEqual(sorted(server for group in groups for server in group if server != "bare"), others)
                for group in groups:
                    self.assertEqual(group.count("bare"), 1)
                    self.assertLessEqual(max(abs(group.index("bare") - i) for i in range(len(group))), 1)

    def test_every_other_round_goes_the_other_way_round(self):
        forth, back = (sum(measure.neighbours("bare", ["a", "b", "c"], turn), []) for turn in (0, 1))
        self.assertEqual(forth, ["a", "bare", "b", "c", "bare"])
        self.assertEqual(back, forth[::-1])


class Failures(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        servers.build([])

    def test_a_server_that_dies_is_started_again(self):
        load = rows.echo("-s", "20", "-c", "1")
        with measure.Lineup([servers.BARE], rows.ECHO) as lineup:
            process = lineup.processes["tcp_echo"].popen
            process.send_signal(signal.SIGKILL)
            process.wait()
            with contextlib.redirect_stderr(io.StringIO()) as said:
                self.assertIn("ended with -9", lineup.slice(servers.BARE, load, 0.05)["error"])
            self.assertIn("ended with -9; started again", said.getvalue())
            self.assertGreater(lineup.slice(servers.BARE, load, 0.05)["messages"], 0)

    def test_a_server_that_never_listens_is_given_up(self):
        broken = servers.Server("broken", "broken", {rows.ECHO: ("sh", "-c", "echo no such thing >&2; exit 3")})
        with contextlib.redirect_stderr(io.StringIO()) as said, measure.Lineup([broken], rows.ECHO) as lineup:
            self.assertEqual(lineup.slice(broken, rows.echo(), 0.05), {"error": "given up"})
        self.assertIn("no such thing; given up", said.getvalue())

    def test_a_server_that_is_not_here_is_left_out(self):
        absent = servers.Server("absent", "absent", {rows.ECHO: ("/nowhere/at/all", "{port}")})
        silent = servers.Server("silent", "silent", {rows.ECHO: ("sh",)}, version=("false",))
        here = servers.Server("here", "here", {rows.ECHO: ("sh",)}, version=("echo", "1.2"))
        with contextlib.redirect_stderr(io.StringIO()) as said:
            self.assertEqual(servers.versions([absent, silent, here]), {"here": "1.2"})
        self.assertIn("absent is left out: there is no /nowhere/at/all", said.getvalue())
        self.assertIn("silent is left out", said.getvalue())

    def test_a_slice_that_failed_makes_no_ratio_and_the_run_incomplete(self):
        row = rows.rows(10)[0]
        good = {"ours": {row.figure: 2.0, report.CPU: 1.0}, "bare": {row.figure: 4.0, report.CPU: 1.0}}
        bad = {"ours": {"error": "gone"}, "bare": good["bare"]}
        run = {"rows": {row.id: {"wspush-c": [good, bad]}}, "idle": {}, "reactors": [], "versions": {"wspush-c": "1"}}
        self.assertEqual(report.ratios([good, bad], row.figure), [0.5])
        whole = {**run, "connections": 10}
        self.assertIn("1 of 2 slices failed", report.cell(row, servers.WSPUSH_C, report.server_table(whole)))
        whole["rows"] = {row.id: {"wspush-c": [bad]}}
        self.assertEqual(report.cell(row, servers.WSPUSH_C, report.server_table(whole)), "failed")
        self.assertTrue(main.incomplete(run))

    def test_a_client_that_fails_is_told_and_given_up_and_the_server_goes_on(self):
        broken = clients.Client("broken", "broken", ("sh", "-c", "echo no such thing >&2; exit 3"))
        exchange = rows.Exchange("20", connections=1)
        with contextlib.redirect_stderr(io.StringIO()) as said, measure.Turns() as turns:
            for _ in range(measure.GIVE_UP_AFTER):
                self.assertIn("no such thing", turns.slice(broken, exchange, 0.05)["error"])
            self.assertEqual(turns.slice(broken, exchange, 0.05), {"error": "given up"})
            self.assertGreater(turns.slice(clients.BARE_CLIENT, exchange, 0.05)["messages_per_second"], 0)
        self.assertIn("broken, a client: no such thing", said.getvalue())


class Floors(unittest.TestCase):
    def test_of_a_rate_are_least_and_of_a_time_greatest_ratios(self):
        by_id = {row.id: row for row in rows.rows(10)}
        self.assertEqual([by_id["20x1"].reaches("wspush-c", ratio) for ratio in (0.97, 0.98, 1.2)], [False, True, True])
        self.assertEqual([by_id["p99"].reaches("wspush-php", ratio) for ratio in (0.9, 1.5, 1.51)], [True, True, False])
        self.assertIsNone(by_id["20x1"].reaches("picows", 0.1))


class Places(unittest.TestCase):
    """Whether ours is ahead of each peer that was measured."""

    def setUp(self):
        self.row = rows.client_rows()[0]
        self.ours = clients.Client("wspush-c", "ours", (), peer=False)
        self.peers = [clients.Client(name, name, ()) for name in ("slow", "fast")]

    def said(self, ours, **rates):
        rates[self.ours.name] = ours
        pair = {name: [{"ours": {self.row.figure: rate}, "bare": {self.row.figure: 1.0}}] for name, rate in rates.items()}
        table = report.Table([self.row], [self.ours, *self.peers], {self.row.id: pair}, report.CLIENT_CPU)
        return report.verdict(self.row, self.ours, table)

    def test_ahead_is_ahead_of_each(self):
        self.assertEqual(self.said(ours=0.9, slow=0.5, fast=0.8), "ahead of each")
        self.assertEqual(self.said(ours=0.7, slow=0.5, fast=0.8), "NOT AHEAD of fast")
        self.assertEqual(self.said(ours=0.4, slow=0.5, fast=0.8), "NOT AHEAD of slow, fast")

    def test_who_need_not_lead_is_behind(self):
        self.ours = clients.Client("wspush-php", "ours", (), peer=False)
        self.assertEqual(self.said(ours=0.7, slow=0.5, fast=0.8), "behind fast")
        self.assertEqual(self.said(ours=0.9, slow=0.5, fast=0.8), "ahead of each")

    def test_level_is_not_ahead(self):
        self.assertEqual(self.said(ours=0.8, slow=0.5, fast=0.8), "NOT AHEAD of fast")

    def test_who_was_not_measured_is_no_rival(self):
        self.assertEqual(self.said(ours=0.8, slow=0.5), "ahead of each")
        self.assertEqual(self.said(ours=0.8), "")


class Peers(unittest.TestCase):
    """The clients of others, where they are installed: that each exchanges messages, and says so."""

    def test_each_that_is_here_counts(self):
        with contextlib.redirect_stderr(io.StringIO()):
            here = servers.versions(clients.PEERS)
        if not here:
            self.skipTest("none is (scripts/setup bench)")
        with measure.Turns() as turns:
            for name in here:
                for exchange in (rows.Exchange("20", connections=2), rows.Exchange("512", 32, connections=2)):
                    with self.subTest(client=name, exchange=exchange):
                        figures = turns.slice(dataclasses.replace(clients.CLIENTS[name], warm_up=0.1), exchange, 0.1)
                        self.assertGreater(figures.get("messages_per_second", 0), 0, figures)


def run_benches(*arguments):
    environment = {**os.environ, "ROUNDS": "1", "DURATION": "0.1"}
    return subprocess.run([str(ROOT / "benches/run"), *arguments], env=environment, capture_output=True, text=True)
