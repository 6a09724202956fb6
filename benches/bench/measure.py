"""How it is measured: servers side by side, in short slices that alternate.

All servers of a row run at the same time; idle ones cost nothing. A round gives each a slice of a fraction of a second,
the bare TCP server between every two others, and the order is the other way round every other time. A ratio is taken
only between neighbours, so that what else the machine does hits both; the median of many such ratios is stable where
the figures themselves are not. Many short slices are better than few long ones: a server measured beside itself shows
that a slice of half a second strays as far as one of a tenth, for it is where the scheduler puts things that differs.
"""
import subprocess
import sys

from .rows import REACTORS_LOAD, idle_load
from .servers import AGAIN, BARE, BUILD, Process, ServerFailed, with_reactors

GIVE_UP_AFTER = 3  # failures of one server in one row
PEER_ROUNDS = 5  # peers are here for comparison, and need no second digit


class Lineup:
    """The servers of a row, for the length of a `with`. One that fails is started again, and said so."""

    def __init__(self, servers, mode):
        self.servers, self.mode = servers, mode
        self.failures = {server.name: 0 for server in servers}
        self.processes = {}

    def __enter__(self):
        try:
            for server in self.servers:
                self.processes[server.name] = Process(server, self.mode)
            for process in list(self.processes.values()):
                self.wait_for(process)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in self.processes.values():
            process.kill()

    def slice(self, server, load, seconds):
        """One measurement: what the load program printed, or {"error": why}."""
        process = self.processes.get(server.name)
        if process is None:
            return {"error": "given up"}
        try:
            figures = run(load, seconds, process)
            if load.heavy:
                process.wait_until_idle()
            return figures
        except ServerFailed as error:
            self.failed(process, error)
            return {"error": str(error)}

    def wait_for(self, process):
        try:
            process.wait_until_listening()
        except ServerFailed as error:
            self.failed(process, error)

    def failed(self, process, error):
        name, title = process.server.name, process.server.title
        process.kill()
        del self.processes[name]
        self.failures[name] += 1
        if self.failures[name] >= GIVE_UP_AFTER:
            print(f"    {title}: {error}; given up for this row", file=sys.stderr)
            return
        print(f"    {title}: {error}; started again", file=sys.stderr)
        self.processes[name] = Process(process.server, self.mode)
        self.wait_for(self.processes[name])


def run(load, seconds, process):
    """Runs a load program against a server once; what it printed, as a dict of numbers and words."""
    raw = ("--raw",) if process.server.raw else ()
    command = [str(BUILD / load.program), *load.options, load.time, str(seconds), *raw,
               "--pid", str(process.pid), "127.0.0.1", str(process.port)]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=seconds * 4 + 60)
    except subprocess.TimeoutExpired:
        raise ServerFailed(f"{load.program} did not end; the server {process.last_words()}") from None
    if result.returncode != 0:
        raise ServerFailed(f"{result.stderr.strip()}; the server {process.last_words()}")
    return {key: number(value) for key, value in (pair.split("=", 1) for pair in result.stdout.split())}


def number(text):
    try:
        return float(text)
    except ValueError:
        return text


def neighbours(baseline, others, turn):
    """The order of a round: groups with the baseline between two others, reversed in every other round."""
    groups = [[others[i], baseline, *others[i + 1:i + 2]] for i in range(0, len(others), 2)]
    return [group[::-1] for group in groups[::-1]] if turn % 2 else groups


def contest(baseline, others, load, rounds, seconds):
    """Pairs of slices, each server's beside the baseline's: {name: [{"ours": figures, "bare": figures}]}."""
    pairs = {server.name: [] for server in others}
    with Lineup([baseline, *others], load.mode) as lineup:
        if not load.heavy:
            for server in (baseline, *others):
                lineup.slice(server, load, seconds)  # does not count: compilers warm up, and memory comes from the system
        for turn in range(rounds):
            here = [server for server in others if not server.peer or turn < PEER_ROUNDS]
            for group in neighbours(baseline, here, turn):
                figures = {server.name: lineup.slice(server, load, seconds) for server in group}
                for server in group:
                    if server is not baseline:
                        pairs[server.name].append({"ours": figures[server.name], "bare": figures[baseline.name]})
    return pairs


def rows(wanted, others, rounds, seconds):
    """The figures of the table: {row id: pairs of its servers}."""
    results = {}
    for load in dict.fromkeys(row.load for row in wanted):
        print("; ".join(row.title for row in wanted if row.load == load), file=sys.stderr, flush=True)
        results[load] = contest(BARE, others, load, *load.plan(rounds, seconds))
    return {row.id: results[row.load] for row in wanted}


def idle(servers, connections, seconds):
    """What connections cost that do nothing, each server freshly started: {name: figures}."""
    load, results = idle_load(connections), {}
    print(f"{connections:,} idle connections", file=sys.stderr, flush=True)
    for server in servers:
        if server is AGAIN:
            continue
        with Lineup([server], load.mode) as lineup:
            results[server.name] = lineup.slice(server, load, seconds)
    return results


def reactors(rounds, seconds):
    """wspush with two reactors beside wspush with one."""
    print("two reactors", file=sys.stderr, flush=True)
    two = with_reactors(2)
    return contest(with_reactors(1), [two], REACTORS_LOAD, rounds, seconds)[two.name]
