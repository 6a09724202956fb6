"""The command line of `benches/run`."""
import argparse
import json
import os
import pathlib
import re
import shlex
import signal
import sys

from . import before, machine, measure, picture, report
from .clients import BARE_CLIENT, CLIENTS
from .rows import IDLE, REACTORS, client_rows, rows
from .servers import BARE, SERVERS, build, versions


def main(text):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # by way of what ends the servers
    arguments = parse(text)
    if arguments.read:
        run = json.loads(pathlib.Path(arguments.read).read_text())
    else:
        machine.enter_own_network()
        if arguments.before:
            return print_beside(arguments)
        run = measure_all(arguments)
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(run, indent=1))
    if arguments.svg:
        pathlib.Path(arguments.svg).write_text(picture.draw(run))
    print(report.markdown(run) if arguments.markdown else report.terminal(run))
    return 1 if incomplete(run) else 0


def parse(text):
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="", help="some of: " + ", ".join(row_names()))
    parser.add_argument("--servers", default="", help="some of: " + ", ".join(SERVERS))
    parser.add_argument("--clients", default="", help="some of: " + ", ".join(CLIENTS))
    parser.add_argument("--before", metavar="DIR", help="measure this checkout beside another one, in which `make examples` was called")
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("ROUNDS", "40")))
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("DURATION", "0.1")), help="of a slice")
    parser.add_argument("--connections", type=int, default=10000, help="of fan-out, accept and idle")
    parser.add_argument("--markdown", action="store_true", help="print the README's table instead")
    parser.add_argument("--svg", metavar="FILE", help="also draw the table")
    parser.add_argument("--json", metavar="FILE", help="also write every figure")
    parser.add_argument("--read", metavar="FILE", help="measure nothing: show what --json wrote")
    return parser.parse_args()


def row_names():
    return [*(row.id for row in rows(0)), *(row.id for row in client_rows()), IDLE, REACTORS]


def chosen(text, known, what):
    names = [name for name in re.split(r"[ ,]+", text) if name] or list(known)
    for name in names:
        if name not in known:
            sys.exit(f"{what} {name}: not one of {', '.join(known)}")
    return names


def measure_all(arguments):
    wanted = chosen(arguments.rows, row_names(), "row")
    names = chosen(arguments.servers, SERVERS, "server")
    connections = machine.room_for(arguments.connections)
    build([SERVERS[name] for name in names])
    found = versions([server for server in SERVERS.values() if server.name in names or server is BARE])
    servers = [SERVERS[name] for name in found]
    others = [server for server in servers if server is not BARE]
    if not others:
        sys.exit(f"nothing to measure beside {BARE.title}")
    clients, their_versions = clients_of(arguments, wanted)
    rounds, seconds = arguments.rounds, arguments.seconds
    return {
        "command": command(),
        "rounds": rounds,
        "seconds": seconds,
        "connections": connections,
        "machine": machine.description(),
        "versions": found,
        "rows": measure.rows([row for row in rows(connections) if row.id in wanted], others, rounds, seconds),
        "client_versions": their_versions,
        "clients": measure.clients([row for row in client_rows() if row.id in wanted], clients, rounds, seconds),
        "idle": measure.idle(servers, connections, seconds) if IDLE in wanted else {},
        "reactors": measure.reactors(rounds, seconds) if REACTORS in wanted else [],
    }


def print_beside(arguments):
    """Measures this checkout beside another one, and nobody else."""
    wanted = chosen(arguments.rows, row_names(), "row")
    directory = pathlib.Path(arguments.before).resolve()
    connections = machine.room_for(arguments.connections)
    build([])
    tables = [[row for row in table if row.id in wanted] for table in (rows(connections), client_rows())]
    results = before.compare(directory, *tables, arguments.rounds, arguments.seconds)
    shown = [(row.title, results[row.id], row.figure, row.unit) for table in tables for row in table]
    if IDLE in wanted:
        shown.append((f"{connections:,} idle connections, bytes of user space each",
                      before.idle(directory, connections, arguments.seconds), before.MEMORY, ""))
    for row in shown:
        print("\n".join(before.lines(*row)), end="\n\n")
    print(f"{command()}\n{machine.description()}")
    pairs = [pair for _, by_name, _, _ in shown for pairs in by_name.values() for pair in pairs]
    return 1 if len(report.whole(pairs)) < len(pairs) else 0


def clients_of(arguments, wanted):
    """The clients to measure, and the versions of all; nobody's if no row of theirs is wanted."""
    if not any(row.id in wanted for row in client_rows()):
        return [], {}
    names = chosen(arguments.clients, CLIENTS, "client")
    found = versions([client for client in CLIENTS.values() if client.name in names or client is BARE_CLIENT])
    return [CLIENTS[name] for name in found if name != BARE_CLIENT.name], found


def command():
    """What was called, as one would type it."""
    settings = [f"{name}={os.environ[name]}" for name in ("ROUNDS", "DURATION") if name in os.environ]
    return shlex.join([*settings, "benches/run", *sys.argv[1:]])


def incomplete(run):
    """Whether a figure of ours, or of the baseline, is missing."""
    ours = [name for name in run["versions"] if not SERVERS[name].peer]
    pairs = [pair for by_server in run["rows"].values() for name in ours for pair in by_server.get(name, [])]
    pairs += [pair for by_client in run.get("clients", {}).values() for name, all_pairs in by_client.items()
              if not CLIENTS[name].peer for pair in all_pairs]
    idle = [run["idle"][name] for name in ours if name in run["idle"]]
    return len(report.whole(pairs)) < len(pairs) or any("error" in figures for figures in idle) \
        or len(report.whole(run["reactors"])) < len(run["reactors"])
