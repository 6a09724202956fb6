"""What is measured: the rows of the table, each with the load that it takes and the floors that the design sets.

Rows with the same load are taken from the same slices. The rows of clients are a table of their own.
"""
from dataclasses import dataclass, field

ECHO, BROADCAST, PUBLISH = "echo", "broadcast", "publish"


@dataclass(frozen=True)
class Load:
    """What one slice runs: a load program with its options, against servers in this mode."""

    program: str
    options: tuple
    mode: str = ECHO
    time: str = "-t"  # the option that takes the length of a slice
    heavy: bool = False  # a slice takes long to set up: fewer and longer ones, see Load.plan

    def plan(self, rounds, seconds):
        """How many rounds of slices of which length."""
        return (-(-rounds // 4), seconds * 3) if self.heavy else (rounds, seconds)


@dataclass(frozen=True)
class Row:
    id: str
    title: str
    load: Load
    figure: str  # the key of what is compared, in the line that the load program prints
    unit: str
    floors: dict = field(default_factory=dict)
    less_is_better: bool = False
    uses_set_up: bool = False  # it is about what comes before the clock that processor time is taken by
    ranked: bool = False  # it is told of ours whether they are ahead of each peer
    must_lead: tuple = ()  # whose names must be

    def reaches(self, server, ratio):
        """Whether a ratio is at its floor or past it; None where there is no floor."""
        floor = self.floors.get(server)
        if floor is None:
            return None
        return ratio <= floor if self.less_is_better else ratio >= floor


def floors(c=None, php=None):
    return {name: floor for name, floor in (("wspush-c", c), ("wspush-php", php)) if floor is not None}


def echo(*options):
    return Load("load", ("-w", "0.05", *options))


def rows(crowd):
    """The table's rows, with so many connections where it takes a crowd."""
    small, alone = echo("-s", "20", "-l"), echo("-s", "20", "-c", "1", "-l")
    spread = Load("crowd", ("-c", str(crowd), "-s", "64", "-t", "0"), BROADCAST, time="-f", heavy=True)
    stalled = Load("crowd", ("-c", str(crowd), "-s", "64", "-t", "0", "--stalled"), PUBLISH, time="-f", heavy=True)
    rate, rates = "messages_per_second", "/s"
    return [
        Row("20x1", "20 B, one in flight", small, rate, rates, floors(0.98, 0.92)),
        Row("20x32", "20 B, 32 in flight", echo("-s", "20", "-p", "32"), rate, rates, floors(0.92, 0.30)),
        Row("512", "512 B, one in flight", echo("-s", "512"), rate, rates, floors(0.98, 0.92)),
        Row("16K", "16 KiB, one in flight", echo("-s", "16K"), rate, rates, floors(0.98, 0.80)),
        Row("1M", "1 MiB, 16 connections", echo("-s", "1M", "-c", "16"), rate, rates, floors(0.80, 0.45)),
        Row("latency", "one connection, round trip p50", alone, "p50_us", "µs", floors(1.05, 1.35), True),
        Row("p99", "64 connections, round trip p99", small, "p99_us", "µs", floors(1.50, 1.50), True),
        Row("fan-out", f"64 B to {crowd:,} subscribers", spread, "deliveries_per_second", "/s", floors(0.90)),
        Row("stalled", f"64 B to {crowd:,}, of which one never reads", stalled, "deliveries_per_second", "/s", floors(0.90)),
        Row("accept", f"{crowd:,} connections accepted", spread, "accepted_per_second", "/s", uses_set_up=True),
    ]


@dataclass(frozen=True)
class Exchange:
    """What a client does in a slice: each connection keeps so many messages in flight."""

    size: str
    in_flight: int = 1
    connections: int = 64
    heavy = False


def client_rows():
    """The rows in which clients take turns at one echo server."""
    def row(name, title, exchange):
        return Row(name, title, exchange, "messages_per_second", "/s", ranked=True, must_lead=("wspush-c",))

    return [
        row("client-20x1", "clients: 20 B, one in flight", Exchange("20")),
        row("client-20x32", "clients: 20 B, 32 in flight", Exchange("20", 32)),
        row("client-512", "clients: 512 B, one in flight", Exchange("512")),
    ]


def idle_load(crowd):
    return Load("crowd", ("-c", str(crowd)))


# What is measured besides the table: see measure.idle and measure.reactors.
IDLE, REACTORS = "idle", "reactors"
IDLE_FLOOR = 250  # bytes of user space per connection
REACTORS_FLOOR = 1.15  # processor time per message with two reactors, as a ratio to one
REACTORS_TITLE = "20 B, one in flight, 1,000 connections"  # so many that the turns of both reactors are full
REACTORS_LOAD = echo("-s", "20", "-c", "1000")
