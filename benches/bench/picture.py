"""The table as a picture: an SVG of panels, one per row, written without libraries.

Bars are speed relative to the bare TCP server, which is the line at 1, so that longer is better everywhere; where the
figure is a time, its inverse is drawn and the time's ratio written. A floor is a notch across the bar that it is for.
Colours belong to servers and clients of one kind, and the style sheet inside has a light and a dark half.
"""
from dataclasses import dataclass
from html import escape

from .report import absolute, client_table, quartiles, ratios, rounds, server_table
from .rows import IDLE_FLOOR
from .servers import BARE

WIDTH, MARGIN, GUTTER = 880, 24, 28
PANEL = (WIDTH - 2 * MARGIN - GUTTER) / 2
HEAD, FOOT = 104, 62  # above and below the panels
TITLE, BAR, STEP, AFTER = 25, 9, 14.5, 20  # within a panel, top to bottom
NAME, VALUE = 116, 56  # left and right of the bars
SCALE = 1.12  # the ratio at which bars end

COLOURS = {
    "wspush-c": "#e8590c", "wspush-php": "#f59f00", "uwebsockets": "#4263eb", "libwebsockets": "#7048e8",
    "picows": "#0ca678", "ws": "#74b816", "socketify": "#1c93d6", "websockets": "#a0785a", "tungstenite": "#e64980",
}

STYLE = """
  text { font: 11px ui-sans-serif, system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #424a53 }
  .paper { fill: #ffffff; stroke: #d0d7de } .title { font-size: 19px; font-weight: 650; fill: #1f2328 }
  .panel { font-size: 12.5px; font-weight: 650; fill: #1f2328 } .ours { font-weight: 650; fill: #1f2328 }
  .quiet { fill: #6e7781 } .code { font-family: ui-monospace, 'SF Mono', Menlo, 'DejaVu Sans Mono', monospace }
  .track { fill: #8c959f; opacity: .13 } .one { stroke: #57606a; stroke-width: 1 } .floor { stroke: #1f2328; stroke-width: 2 }
  .halo { stroke: #ffffff; stroke-width: 4 } .spread { stroke: #1f2328; stroke-width: 1; opacity: .55 }
  @media (prefers-color-scheme: dark) {
    text { fill: #b1bac4 } .paper { fill: #0d1117; stroke: #30363d } .title, .panel, .ours { fill: #f0f6fc }
    .quiet { fill: #8b949e } .one { stroke: #8b949e } .floor { stroke: #f0f6fc } .halo { stroke: #0d1117 }
    .spread { stroke: #f0f6fc }
  }
"""


@dataclass
class Bar:
    server: object
    length: float = None  # as a part of the scale; None: there is no figure
    spread: tuple = None
    floor: float = None
    label: str = "–"


def drawn(table):
    """Those who took part, in the order of the colours."""
    return sorted((entrant for entrant in table.entrants if entrant.name in COLOURS), key=lambda one: [*COLOURS].index(one.name))


def draw(run):
    panels = [(row.title, beside(row, table), bars_of(row, table), 1 / SCALE)
              for table in (server_table(run), client_table(run)) for row in table.rows]
    if run["idle"]:
        aside = f"user space each; at most {IDLE_FLOOR} B"
        panels.append((f"{run['connections']:,} idle connections", aside, idle_bars(run), None))
    most = max(len(drawn(table)) for table in (server_table(run), client_table(run)))
    height_of_one = TITLE + STEP * most + AFTER
    height = HEAD + -(-len(panels) // 2) * height_of_one + FOOT
    body = [text(MARGIN, 38, "wspush and its peers beside a bare TCP server", "title"), *subtitle(run)]
    for i, panel in enumerate(panels):
        body += draw_panel(MARGIN + i % 2 * (PANEL + GUTTER), HEAD + i // 2 * height_of_one, *panel)
    body += [text(MARGIN, height - 42, f"$ {run['command']}", "code"), text(MARGIN, height - 22, run["machine"], "quiet")]
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:g}" viewBox="0 0 {WIDTH} {height:g}" '
            f'role="img" aria-label="Speed of wspush and its peers, as ratios to a bare TCP server">\n<style>{STYLE}</style>\n'
            f'<rect class="paper" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1:g}" rx="10"/>\n'
            + "\n".join(body) + "\n</svg>\n")


def subtitle(run):
    yield text(MARGIN, 60, f"Echo over loopback, one server thread, as a ratio to {BARE.title} in the same moment: medians of "
               f"{rounds(run)}. Longer", "quiet")
    yield text(MARGIN, 76, "is better; for round trips the ratio of the times is written, and its inverse drawn.", "quiet")
    x = WIDTH - MARGIN - 270
    yield line("one", x, 27, x, 41)
    yield text(x + 7, 38, BARE.title, "quiet")
    yield line("floor", x + 80, 28, x + 80, 40)
    yield text(x + 88, 38, "must be reached", "quiet")
    yield line("spread", x + 192, 34.5, x + 214, 34.5)
    yield text(x + 221, 38, "quartiles", "quiet")


def beside(row, table):
    return f"{BARE.title} {absolute(table.bare(row), row.unit)}"


def bars_of(row, table):
    for entrant in drawn(table):
        values = ratios(table.of(row, entrant), row.figure)
        if not values:
            yield Bar(entrant)
            continue
        low, middle, high = (speed(row, value) for value in quartiles(values))
        floor = row.floors.get(entrant.name)
        yield Bar(entrant, middle, (low, high), floor and speed(row, floor), written(row, quartiles(values)[1]))


def written(row, ratio):
    return f"{ratio:.2f}{' ×' if row.less_is_better else ''}"


def speed(row, ratio):
    return min((1 / ratio if row.less_is_better else ratio) / SCALE, 1)


def idle_bars(run):
    each = {name: figures.get("user_bytes_per_connection") for name, figures in run["idle"].items()}
    most = max((value for value in each.values() if value), default=1)
    for server in drawn(server_table(run)):
        value = each.get(server.name)
        if value is None:
            yield Bar(server)
        else:
            yield Bar(server, max(value, 0) / most, label=f"{value:,.0f} B")


# ---- drawing ---------------------------------------------------------------------------------------------------------

def draw_panel(x, y, title, aside, bars, one):
    left, width, top = x + NAME, PANEL - NAME - VALUE, y + TITLE
    bars = list(bars)
    yield text(x, y + 14, title, "panel")
    yield text(x + PANEL, y + 14, aside, "quiet", "end")
    for i, bar in enumerate(bars):
        yield from draw_bar(left, top + i * STEP, width, bar)
    if one is not None:
        yield line("one", left + one * width, top - 3, left + one * width, top + len(bars) * STEP - (STEP - BAR) + 3)


def draw_bar(left, y, width, bar):
    middle, kind = y + BAR / 2, "" if bar.server.peer else "ours"
    yield text(left - 8, y + BAR - .5, bar.server.title, kind, "end")
    yield rect("track", left, y, width, BAR)
    if bar.length is not None:
        yield rect("", left, y, max(bar.length * width, 1), BAR, COLOURS[bar.server.name])
    if bar.spread and not bar.server.peer:
        yield line("spread", left + bar.spread[0] * width, middle, left + bar.spread[1] * width, middle)
    if bar.floor is not None:
        at = left + bar.floor * width
        yield line("halo", at, y - 1, at, y + BAR + 1)
        yield line("floor", at, y - 2, at, y + BAR + 2)
    yield text(left + width + 7, y + BAR - .5, bar.label, kind)


def text(x, y, words, kind="", anchor="start"):
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>'


def rect(kind, x, y, width, height, colour=None):
    fill = f' fill="{colour}"' if colour else ""
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:.1f}" height="{height:g}" rx="1.5"{fill}/>'


def line(kind, x1, y1, x2, y2):
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:g}" x2="{x2:.1f}" y2="{y2:g}"/>'
