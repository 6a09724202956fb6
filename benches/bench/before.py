"""Two builds of wspush beside each other: this checkout's, and that of another one, an older one say.

As in the table, both run side by side and are measured in slices that alternate. But a ratio is taken to the other build, so that
a few percent show within minutes. All of the other's is the other's: the library, the examples and the programs of benches/,
in which `make examples` was called before. The load programs are this checkout's, and so is the echo server for clients.
"""
import dataclasses
import statistics

from . import measure
from .clients import OURS as OUR_CLIENTS
from .places import ROOT
from .report import CLIENT_CPU, CPU, absolute, quartiles, ratios, whole
from .servers import WSPUSH_C, WSPUSH_PHP, build_ours

OUR_SERVERS = [WSPUSH_C, WSPUSH_PHP]
MEMORY = "user_bytes_per_connection"


def of_checkout(entrant, directory):
    """A server or a client of ours, as another checkout has it."""
    def there(words):
        return tuple(word.replace(str(ROOT), str(directory)) for word in words)

    named = {"name": f"{entrant.name}-before", "title": f"{entrant.title}, before"}
    if entrant in OUR_SERVERS:
        return dataclasses.replace(entrant, commands={mode: there(words) for mode, words in entrant.commands.items()}, **named)
    return dataclasses.replace(entrant, words=there(entrant.words), **named)


def compare(directory, table, client_table, rounds, seconds):
    """The pairs of both builds: {row id: {name: [{"ours": figures, "bare": the other's}]}}."""
    build_ours(directory)
    results = {row.id: {} for row in [*table, *client_table]}
    for measured, rows, entrants in ((measure.rows, table, OUR_SERVERS), (measure.clients, client_table, OUR_CLIENTS)):
        for ours in entrants:
            for row, pairs in measured(rows, [ours], rounds, seconds, of_checkout(ours, directory)).items():
                results[row] |= pairs
    return results


def idle(directory, connections, seconds):
    """What an idle connection takes in both builds, in the same form."""
    figures = {}
    for ours in OUR_SERVERS:
        other = of_checkout(ours, directory)
        measured = measure.idle([ours, other], connections, seconds)
        figures[ours.name] = [{"ours": measured[ours.name], "bare": measured[other.name]}]
    return figures


def lines(title, pairs_by_name, figure, unit):
    """A row: each of ours with its median ratio to the other build, the quartiles, and the processor time per message."""
    yield title
    for name, pairs in pairs_by_name.items():
        values = ratios(pairs, figure)
        if not values:
            yield f"  {name:12} failed"
            continue
        low, middle, high = quartiles(values)
        text = f"  {name:12} {middle:6.3f}  [{low:.3f}–{high:.3f}]"
        text += "  " + " → ".join(absolute(statistics.median(pair[side][figure] for pair in whole(pairs)), unit) for side in ("bare", "ours"))
        cpu = ratios(pairs, CPU if CPU in whole(pairs)[0]["ours"] else CLIENT_CPU)
        yield text + (f"  cpu {statistics.median(cpu):5.3f}" if cpu and figure != MEMORY else "")
