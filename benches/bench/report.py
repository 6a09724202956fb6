"""What is made of the figures: the table in a terminal, and the one in the README.

A run is a dict that JSON can hold, so that it may be kept and shown again:
    {"command", "rounds", "seconds", "connections", "machine", "versions": {server: text},
     "rows": {row: {server: [{"ours", "bare"}]}}, "idle": {server: figures}, "reactors": [{"ours", "bare"}],
     "client_versions": {client: text}, "clients": {row: {client: [{"ours", "bare"}]}}}
Whatever could not be measured is {"error": why} in place of figures.
"""
import statistics
import textwrap
from dataclasses import dataclass

from .clients import CLIENTS
from .measure import PEER_ROUNDS
from .rows import IDLE_FLOOR, REACTORS_FLOOR, REACTORS_TITLE, client_rows, rows
from .servers import BARE, SERVERS

CPU, CLIENT_CPU = "server_cpu_us_per_message", "client_cpu_us_per_message"
IDLE_COLUMNS = [
    ("user_bytes_per_connection", "user bytes each", "{:,.0f}"),
    ("user_bytes_per_connection_of_the_second_half", "of the second half", "{:,.0f}"),
    ("kernel_bytes_per_connection", "kernel, both ends", "{:,.0f}"),
    ("idle_cpu", "processor", "{:.3%}"),
    ("accepted_per_second", "accepted", "{:,.0f}/s"),
]


def whole(pairs):
    return [pair for pair in pairs if "error" not in pair["ours"] and "error" not in pair["bare"]]


def ratios(pairs, figure):
    return [pair["ours"][figure] / pair["bare"][figure] for pair in whole(pairs) if pair["bare"].get(figure)]


def quartiles(values):
    """The lower quartile, the median, and the upper quartile."""
    if len(values) == 1:
        return values * 3
    return statistics.quantiles(values, n=4, method="inclusive")


@dataclass(frozen=True)
class Table:
    """The rows that were measured, and the pairs of those who took part in them, servers or clients."""

    rows: list
    entrants: list  # but the bare one, in their order
    pairs: dict
    cpu: str  # the figure of processor time per message

    def of(self, row, entrant):
        return self.pairs[row.id].get(entrant.name, [])

    def ratio(self, row, entrant):
        """The median; None if there is none."""
        values = ratios(self.of(row, entrant), row.figure)
        return statistics.median(values) if values else None

    def bare(self, row, figure=None):
        """The baseline's own figure: the median of all its slices of this row; None if there is none."""
        values = [pair["bare"][figure or row.figure] for pairs in self.pairs[row.id].values() for pair in whole(pairs)
                  if (figure or row.figure) in pair["bare"]]
        return statistics.median(values) if values else None


def server_table(run):
    return table_of(rows(run["connections"]), SERVERS, run["versions"], run["rows"], CPU)


def client_table(run):
    return table_of(client_rows(), CLIENTS, run.get("client_versions", {}), run.get("clients", {}), CLIENT_CPU)


def table_of(all_rows, known, found, pairs, cpu):
    entrants = [entrant for name, entrant in known.items() if name in found and name != BARE.name]
    return Table([row for row in all_rows if row.id in pairs], entrants, pairs, cpu)


def absolute(value, unit):
    if value is None:
        return "failed"
    return f"{value:,.1f} {unit}" if unit == "µs" else f"{float(f'{value:.3g}'):,.0f}{unit}"


# ---- in a terminal ---------------------------------------------------------------------------------------------------

def terminal(run):
    parts = [row_lines(row, server_table(run)) for row in server_table(run).rows]
    parts += [row_lines(row, client_table(run)) for row in client_table(run).rows]
    parts += [idle_lines(run)] if run["idle"] else []
    parts += [reactors_lines(run["reactors"])] if run["reactors"] else []
    return "\n\n".join("\n".join(lines) for lines in [*parts, notes(run)])


def row_lines(row, table):
    lines = [f"{row.title}: {BARE.title} {absolute(table.bare(row), row.unit)}{busy(row, table)}"]
    lines += [f"  {entrant.title:18} {cell(row, entrant, table)}" for entrant in table.entrants]
    return lines


def busy(row, table):
    """How much of a core the baseline and the load generator take, for either may be the limit."""
    server, load = table.bare(row, "server_cpu"), table.bare(row, "load_cpu")
    if row.uses_set_up or load is None:
        return ""
    return f", {server:.0%} busy; load generator {load:.0%}" if server is not None else f", {load:.0%} busy"


def cell(row, entrant, table):
    pairs = table.of(row, entrant)
    values = ratios(pairs, row.figure)
    if not values:
        return "failed"
    low, middle, high = quartiles(values)
    text = f"{middle:6.3f}  [{low:.3f}–{high:.3f}]  {verdict(row, entrant, table):20}"
    cpu = ratios(pairs, table.cpu) if not row.uses_set_up else []
    text += f"  cpu {statistics.median(cpu):5.2f}" if cpu else ""
    lost = len(pairs) - len(whole(pairs))
    return text.rstrip() + (f"  {lost} of {len(pairs)} slices failed" if lost else "")


def verdict(row, entrant, table):
    ratio = table.ratio(row, entrant)
    if row.ranked and not entrant.peer and not entrant.raw:
        return place(row, entrant, table)
    reached = row.reaches(entrant.name, ratio)
    if reached is None:
        return ""
    return f"{'≤' if row.less_is_better else '≥'} {row.floors[entrant.name]:.2f} {'reached' if reached else 'NOT REACHED'}"


def place(row, ours, table):
    """Whether ours is ahead of each peer that was measured, or of whom it is not."""
    peers = [(peer, table.ratio(row, peer)) for peer in table.entrants if peer.peer]
    before = [peer.title for peer, ratio in peers if ratio is not None and ratio >= table.ratio(row, ours)]
    if before:
        words = "NOT AHEAD of" if ours.name in row.must_lead else "behind"
        return f"{words} {', '.join(before)}"
    return "ahead of each" if any(ratio is not None for _, ratio in peers) else ""


def idle_lines(run):
    lines = [f"{run['connections']:,} idle connections".ljust(26) + "".join(f"{title:>20}" for _, title, _ in IDLE_COLUMNS)]
    for name, figures in run["idle"].items():
        cells = (form.format(figures[key]) if key in figures else "failed" for key, _, form in IDLE_COLUMNS)
        line = f"  {SERVERS[name].title:24}" + "".join(f"{cell:>20}" for cell in cells)
        lines.append(f"{line}  {idle_verdict(name, figures)}".rstrip())
    return lines


def idle_verdict(name, figures):
    each = figures.get("user_bytes_per_connection")
    if SERVERS[name].peer or SERVERS[name].raw or each is None:
        return ""
    return f"≤ {IDLE_FLOOR} {'reached' if each <= IDLE_FLOOR else 'NOT REACHED'}"


def reactors_lines(pairs):
    cpu, rate = ratios(pairs, CPU), ratios(pairs, "messages_per_second")
    if not cpu:
        return ["reactors=2: failed"]
    (low, middle, high), (_, speed, _) = quartiles(cpu), quartiles(rate)
    return [f"reactors=2 beside reactors=1, {REACTORS_TITLE}",
            f"  processor time per message {middle:.3f}  [{low:.3f}–{high:.3f}]  ≤ {REACTORS_FLOOR} "
            f"{'reached' if middle <= REACTORS_FLOOR else 'NOT REACHED'}",
            f"  messages per second        {speed:.3f}  (the load generator takes a core of its own)"]


def notes(run):
    how = (f"Ratios to {BARE.title} in a neighbouring slice of {run['seconds']:g} s: the median [lower–upper quartile] of {rounds(run)} "
           f"(of a quarter with a crowd, and of {PEER_ROUNDS} at most for peers), and the floor. cpu: the server's or client's processor time "
           "per message, as a ratio too. More is better, but for cpu and in rows of p50 and p99 less is.")
    return [*textwrap.wrap(how, 110), "", run["command"], run["machine"], versions(run)]


def rounds(run):
    count = run["rounds"]
    return f"{count} rounds" if count > 1 else "one round"


def versions(run):
    said = {f"{SERVERS[name].product} {version}": None for name, version in run["versions"].items() if version}
    said |= {f"{CLIENTS[name].product} {version}": None for name, version in run.get("client_versions", {}).items() if version}
    return ", ".join(said)


# ---- in the README ---------------------------------------------------------------------------------------------------

def markdown(run):
    parts = [grid(server_table(run), run["idle"])] if server_table(run).rows or run["idle"] else []
    parts += [grid(client_table(run), {})] if client_table(run).rows else []
    return "\n\n".join([*parts, f"    {run['command']}", f"{run['machine']}; {versions(run)}."])


def grid(table, idle):
    lines = [["over loopback", BARE.title, *(entrant.title for entrant in table.entrants)],
             ["---"] * (len(table.entrants) + 2)]
    for row in table.rows:
        title = row.title + (" (less is better)" if row.less_is_better else "")
        cells = (short_cell(row, entrant, table.of(row, entrant)) for entrant in table.entrants)
        lines.append([title, absolute(table.bare(row), row.unit), *cells])
    if idle:
        each = [idle.get(server.name, {}).get("user_bytes_per_connection") for server in (BARE, *table.entrants)]
        lines.append(["bytes of user space per idle connection", *(f"{n:,.0f}" if n is not None else "–" for n in each)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def short_cell(row, entrant, pairs):
    values = ratios(pairs, row.figure)
    if not values:
        return "–"
    low, middle, high = quartiles(values)
    return f"{middle:.2f}" if entrant.peer else f"{middle:.2f} [{low:.2f}–{high:.2f}]"
