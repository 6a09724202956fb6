"""How it is measured: servers, or clients, side by side, in short slices that alternate.

All servers of a row run at the same time; idle ones cost nothing. A round gives each a slice of a fraction of a second,
the bare TCP server between every two others, and the order is the other way round every other time. A ratio is taken
only between neighbours, so that what else the machine does hits both; the median of many such ratios is stable where
the figures themselves are not. Many short slices are better than few long ones: a server measured beside itself shows
that a slice of half a second strays as far as one of a tenth, for it is where the scheduler puts things that differs.
"""
import collections
import subprocess
import sys

from .clients import BARE_CLIENT
from .places import BUILD, ROOT
from .rows import ECHO, REACTORS_LOAD, idle_load
from .servers import AGAIN, BARE, WSPUSH_C, Process, ServerFailed, environment, with_reactors

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
            figures = run(load_command(load, seconds, process), seconds, process)
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


class Turns:
    """As Lineup, for clients: they take turns at one echo server, and the bare one at the bare server."""

    def __init__(self):
        self.lineup = Lineup([BARE, WSPUSH_C], ECHO)
        self.failures = collections.Counter()

    def __enter__(self):
        self.lineup.__enter__()
        return self

    def __exit__(self, *_):
        self.lineup.__exit__()

    def slice(self, client, exchange, seconds):
        server = BARE if client.raw else WSPUSH_C
        process = self.lineup.processes.get(server.name)
        if process is None or self.failures[client.name] >= GIVE_UP_AFTER:
            return {"error": "given up"}
        try:
            figures = run(client.command(exchange, process.port, seconds), seconds, process)
        except ServerFailed as error:
            print(f"    {client.title}, a client: {error}", file=sys.stderr)
            self.failures[client.name] += 1
            if process.popen.poll() is not None:
                self.lineup.failed(process, error)
            return {"error": str(error)}
        if figures["messages_per_second"] > 0:
            figures["client_cpu_us_per_message"] = figures["load_cpu"] / figures["messages_per_second"] * 1e6
        return figures


def load_command(load, seconds, process):
    raw = ("--raw",) if process.server.raw else ()
    return [str(BUILD / load.program), *load.options, load.time, str(seconds), *raw,
            "--pid", str(process.pid), "127.0.0.1", str(process.port)]


def run(command, seconds, process):
    """Runs a load program or a client against a server once; what it printed, as a dict of numbers and words."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=seconds * 4 + 60, cwd=ROOT, env=environment())
    except subprocess.TimeoutExpired:
        raise ServerFailed(f"{command[0]} did not end; the server {process.last_words()}") from None
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


def contest(lineup, baseline, others, load, rounds, seconds):
    """Pairs of slices, each server's beside the baseline's: {name: [{"ours": figures, "bare": figures}]}."""
    pairs = {server.name: [] for server in others}
    with lineup:
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


def rows(wanted, others, rounds, seconds, baseline=BARE):
    """The figures of the table: {row id: pairs of its servers}."""
    results = {}
    for load in dict.fromkeys(row.load for row in wanted):
        print("; ".join(row.title for row in wanted if row.load == load), file=sys.stderr, flush=True)
        results[load] = contest(Lineup([baseline, *others], load.mode), baseline, others, load, *load.plan(rounds, seconds))
    return {row.id: results[row.load] for row in wanted}


def clients(wanted, others, rounds, seconds, baseline=BARE_CLIENT):
    """The figures of the clients' table, in the same form."""
    results = {}
    for row in wanted:
        print(row.title, file=sys.stderr, flush=True)
        results[row.id] = contest(Turns(), baseline, others, row.load, rounds, seconds)
    return results


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
    one, two = with_reactors(1), with_reactors(2)
    return contest(Lineup([one, two], REACTORS_LOAD.mode), one, [two], REACTORS_LOAD, rounds, seconds)[two.name]
