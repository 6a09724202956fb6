"""What is made of the figures: the table in a terminal, and the one in the README.

A run is a dict that JSON can hold, so that it may be kept and shown again:
    {"command", "rounds", "seconds", "connections", "machine", "versions": {server: text},
     "rows": {row: {server: [{"ours", "bare"}]}}, "idle": {server: figures}, "reactors": [{"ours", "bare"}]}
Whatever could not be measured is {"error": why} in place of figures.
"""
import statistics
import textwrap

from .measure import PEER_ROUNDS
from .rows import IDLE_FLOOR, REACTORS_FLOOR, REACTORS_TITLE, rows
from .servers import BARE, SERVERS

CPU = "server_cpu_us_per_message"
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


def measured_rows(run):
    return [row for row in rows(run["connections"]) if row.id in run["rows"]]


def measured_servers(run):
    """The servers of this run but the bare one, in their order."""
    names = [name for name in run["versions"] if name != BARE.name]
    return [SERVERS[name] for name in SERVERS if name in names]


def bare(row, run, figure=None):
    """The baseline's own figure: the median of all its slices of this row; None if there is none."""
    values = [pair["bare"][figure or row.figure] for pairs in run["rows"][row.id].values() for pair in whole(pairs)]
    return statistics.median(values) if values else None


def absolute(value, unit):
    if value is None:
        return "failed"
    return f"{value:,.1f} {unit}" if unit == "µs" else f"{float(f'{value:.3g}'):,.0f}{unit}"


# ---- in a terminal ---------------------------------------------------------------------------------------------------

def terminal(run):
    parts = [row_lines(row, run) for row in measured_rows(run)]
    parts += [idle_lines(run)] if run["idle"] else []
    parts += [reactors_lines(run["reactors"])] if run["reactors"] else []
    return "\n\n".join("\n".join(lines) for lines in [*parts, notes(run)])


def row_lines(row, run):
    lines = [f"{row.title}: {BARE.title} {absolute(bare(row, run), row.unit)}{busy(row, run)}"]
    for server in measured_servers(run):
        pairs = run["rows"][row.id].get(server.name, [])
        lines.append(f"  {server.title:18} {cell(row, server, pairs)}")
    return lines


def busy(row, run):
    """How much of a core the baseline and the load generator take, for either may be the limit."""
    server, load = bare(row, run, "server_cpu"), bare(row, run, "load_cpu")
    return f", {server:.0%} busy; load generator {load:.0%}" if server is not None and not row.uses_set_up else ""


def cell(row, server, pairs):
    values = ratios(pairs, row.figure)
    if not values:
        return "failed"
    low, middle, high = quartiles(values)
    text = f"{middle:6.3f}  [{low:.3f}–{high:.3f}]  {verdict(row, server, middle):20}"
    cpu = ratios(pairs, CPU) if not row.uses_set_up else []
    text += f"  cpu {statistics.median(cpu):5.2f}" if cpu else ""
    lost = len(pairs) - len(whole(pairs))
    return text.rstrip() + (f"  {lost} of {len(pairs)} slices failed" if lost else "")


def verdict(row, server, ratio):
    reached = row.reaches(server.name, ratio)
    if reached is None:
        return ""
    return f"{'≤' if row.less_is_better else '≥'} {row.floors[server.name]:.2f} {'reached' if reached else 'NOT REACHED'}"


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
           f"(of a quarter with a crowd, and of {PEER_ROUNDS} at most for peers), and the floor. cpu: the server's processor time "
           "per message, as a ratio too. More is better, but for cpu and in rows of p50 and p99 less is.")
    return [*textwrap.wrap(how, 110), "", run["command"], run["machine"], versions(run)]


def rounds(run):
    count = run["rounds"]
    return f"{count} rounds" if count > 1 else "one round"


def versions(run):
    return ", ".join(f"{SERVERS[name].product} {version}" for name, version in run["versions"].items() if version)


# ---- in the README ---------------------------------------------------------------------------------------------------

def markdown(run):
    servers = measured_servers(run)
    lines = [["over loopback", BARE.title, *(server.title for server in servers)], ["---"] * (len(servers) + 2)]
    for row in measured_rows(run):
        title = row.title + (" (less is better)" if row.less_is_better else "")
        cells = (short_cell(row, server, run["rows"][row.id].get(server.name, [])) for server in servers)
        lines.append([title, absolute(bare(row, run), row.unit), *cells])
    if run["idle"]:
        each = [run["idle"].get(server.name, {}).get("user_bytes_per_connection") for server in (BARE, *servers)]
        lines.append(["bytes of user space per idle connection", *(f"{n:,.0f}" if n is not None else "–" for n in each)])
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{table}\n\n    {run['command']}\n\n{run['machine']}; {versions(run)}."


def short_cell(row, server, pairs):
    values = ratios(pairs, row.figure)
    if not values:
        return "–"
    low, middle, high = quartiles(values)
    return f"{middle:.2f}" if server.peer else f"{middle:.2f} [{low:.2f}–{high:.2f}]"
