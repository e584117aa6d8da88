"""The plots of docs/performance.md, as SVG; the same numbers give the same bytes.

Usage: python -m harness.plots RESULTS.json FOLDER (with matplotlib, which Scripts/setup-bench installs)

Colours: one accent for tally, greys for everything else. What must be told apart beyond that differs in form
(hatching, dashes, markers), so that no plot depends on telling colours apart.
"""
import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot, ticker  # noqa: E402 (the backend is chosen first)
from matplotlib.patches import Patch  # noqa: E402

from .figures import Spread  # noqa: E402
from .flushes import AGAINST_NODE  # noqa: E402
from .flushes import COUNTERS as FLUSHED  # noqa: E402
from .growth import CONNECTIONS, COUNTERS, INSTANCES  # noqa: E402
from .profile import ROWS as PROFILED  # noqa: E402
from .profile import STEPS, TAKERS  # noqa: E402
from .rows import ROWS  # noqa: E402

TALLY, TALLY_LIGHT = "#0072B2", "#8FC4E3"
OTHER, OTHER_LIGHT = "#767676", "#BDBDBD"
THOUSANDS = ticker.FuncFormatter(lambda value, _: f"{value:,.0f}")
# 0.5 and 1,000 on the same axis, without exponents.
PLAIN = ticker.FuncFormatter(lambda value, _: f"{value:,.12g}")

pyplot.rcParams.update({
    "svg.hashsalt": "tally", "svg.fonttype": "path", "font.family": "DejaVu Sans", "font.size": 10,
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True, "axes.titlesize": 11,
    "axes.titlelocation": "left", "axes.titleweight": "bold", "figure.facecolor": "white", "legend.frameon": False,
})


def save(figure, folder, name):
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")
    pyplot.close(figure)


def rows_of(results, key):
    """(row, spread) for every row that has this value."""
    rounds = results["parts"]["rows"]["rounds"]
    found = [(row, Spread.of([each[row.key][key] for each in rounds if row.key in each])) for row in ROWS]
    return [(row, spread) for row, spread in found if spread]


def label(row):
    return row.label.replace("`", "")


def is_tally(row):
    return row.key.startswith("tally")


def whiskers(spreads):
    return [[each.median - each.low for each in spreads], [each.high - each.median for each in spreads]]


def plot_rows(results, folder):
    rows = rows_of(results, "requests_per_s")[::-1]
    figure, axes = pyplot.subplots(figsize=(8, 3.8))
    spreads = [spread for _, spread in rows]
    bars = axes.barh(
        [label(row) for row, _ in rows], [each.median for each in spreads], xerr=whiskers(spreads),
        color=[TALLY if is_tally(row) else OTHER_LIGHT for row, _ in rows],
        error_kw={"ecolor": "#333333", "elinewidth": 1, "capsize": 2.5})
    # Beyond the whiskers, so that no line crosses a number.
    for bar, each in zip(bars, spreads):
        axes.annotate(f"{each.median:,.0f}", (each.high, bar.get_y() + bar.get_height() / 2), xytext=(6, 0),
                      textcoords="offset points", va="center")
    axes.set_title("Requests answered (more is better)")
    axes.set_xlabel("requests per second, median of the rounds; lines from smallest to largest")
    axes.xaxis.set_major_formatter(THOUSANDS)
    axes.margins(x=0.12)
    axes.grid(axis="x", color="#E5E5E5")
    axes.tick_params(axis="y", length=0)
    save(figure, folder, "rows")


def plot_latency(results, folder):
    rounds = results["parts"]["rows"]["rounds"]
    figure, axes = pyplot.subplots(figsize=(8, 3.8))
    forms = [("p50_ms", "p50", "o"), ("p99_ms", "p99", "s"), ("p999_ms", "p99.9", "^")]
    for height, row in enumerate(ROWS[::-1]):
        medians = [Spread.of([each[row.key][key] for each in rounds]).median for key, _, _ in forms]
        colour = TALLY if is_tally(row) else OTHER
        axes.plot(medians, [height] * 3, color=colour, linewidth=1.2, zorder=1)
        for (_, _, marker), value in zip(forms, medians):
            axes.scatter(value, height, color=colour, marker=marker, s=42, zorder=2)
    for _, name, marker in forms:
        axes.scatter([], [], color=OTHER, marker=marker, label=name)
    axes.set_yticks(range(len(ROWS)), [label(row) for row in ROWS[::-1]])
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.xaxis.set_major_formatter(PLAIN)
    axes.set_title("Time to the answer (less is better)")
    axes.set_xlabel("milliseconds, logarithmic; medians of the rounds")
    axes.grid(axis="x", color="#E5E5E5")
    axes.tick_params(axis="y", length=0)
    axes.legend(ncols=3, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0)
    save(figure, folder, "latency")


def plot_cpu(results, folder):
    service = rows_of(results, "cpu_us")[::-1]
    redis = {row.key: spread.median for row, spread in rows_of(results, "redis_cpu_us")}
    names = [label(row) for row, _ in service]
    values = [spread.median for _, spread in service]
    inside = [redis.get(row.key, 0) for row, _ in service]
    # Node takes ten times the others and would press them flat; its bar is cut, and says so.
    limit = 1.9 * max(value + more for (row, _), value, more in zip(service, values, inside) if row.key != "node")
    figure, axes = pyplot.subplots(figsize=(8, 3.8))
    axes.barh(names, values, color=[TALLY if is_tally(row) else OTHER for row, _ in service])
    axes.barh(names, inside, left=values, color=[TALLY_LIGHT if is_tally(row) else OTHER_LIGHT for row, _ in service],
              hatch="///", edgecolor="white", linewidth=0)
    for height, (value, more) in enumerate(zip(values, inside)):
        text = f"{value:.1f}" + (f" + {more:.1f}" if more else "")
        cut = value + more > limit
        axes.annotate(text + (" (cut)" if cut else ""), (min(value + more, limit), height),
                      xytext=(-6 if cut else 6, 0), textcoords="offset points", va="center",
                      ha="right" if cut else "left", color="white" if cut else "black")
    axes.barh([names[0]], [0], color=OTHER, label="server")
    axes.barh([names[0]], [0], color=OTHER_LIGHT, hatch="///", edgecolor="white", linewidth=0, label="Redis")
    axes.set_xlim(0, limit)
    axes.set_title("CPU time of one request (less is better)")
    axes.set_xlabel("microseconds, user and system; medians of the rounds")
    axes.grid(axis="x", color="#E5E5E5")
    axes.tick_params(axis="y", length=0)
    axes.legend(ncols=2, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0)
    save(figure, folder, "cpu")


def curve(axes, rounds, series, xs, key, **style):
    spreads = [Spread.of([each[series][str(x)][key] for each in rounds]) for x in xs]
    axes.plot(xs, [each.median for each in spreads], markersize=5, **style)
    axes.fill_between(xs, [each.low for each in spreads], [each.high for each in spreads],
                      color=style["color"], alpha=0.15, linewidth=0)


def plot_growth(results, folder):
    rounds = results["parts"]["growth"]["rounds"]
    columns = [("connections", CONNECTIONS, "connections"), ("counters", COUNTERS, "distinct counters"),
               ("instances", INSTANCES, "instances on one Redis")]
    lines = [("requests_per_s", "requests per second"), ("p99_ms", "p99, ms, logarithmic"),
             ("cpu_us", "CPU of a request, µs, logarithmic")]
    on_redis = {"color": TALLY, "marker": "o", "linestyle": "-"}
    embedded = {"color": "#444444", "marker": "s", "linestyle": "--", "markerfacecolor": "white"}
    redis = {"color": TALLY, "marker": "^", "linestyle": ":", "markerfacecolor": "white"}
    figure, grid = pyplot.subplots(3, 3, figsize=(10.5, 8), sharex="col", sharey="row", layout="constrained")
    for column, (series, xs, name) in enumerate(columns):
        for line, (key, unit) in enumerate(lines):
            axes = grid[line][column]
            curve(axes, rounds, f"{series}_redis", xs, key, label="tally on Redis", **on_redis)
            if series != "instances":
                curve(axes, rounds, f"{series}_embedded", xs, key, label="tally embedded", **embedded)
            if key == "cpu_us":
                curve(axes, rounds, f"{series}_redis", xs, "redis_cpu_us", label="Redis itself, for tally", **redis)
            if series != "instances":
                axes.set_xscale("log", base=10)
                axes.set_xticks(xs, [f"{x:,}" for x in xs], rotation=40, ha="right")
                axes.xaxis.set_minor_locator(ticker.NullLocator())
            else:
                axes.set_xticks(xs)
            if key != "requests_per_s":
                axes.set_yscale("log")
                axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
                axes.yaxis.set_minor_locator(ticker.NullLocator())
                axes.yaxis.set_major_formatter(PLAIN)
            else:
                axes.yaxis.set_major_formatter(THOUSANDS)
            axes.grid(color="#E5E5E5")
            if column == 0:
                axes.set_ylabel(unit)
        grid[0][column].set_title(f"with {name}")
        grid[2][column].set_xlabel(name)
    # The axis is shared, and a limit stops it from growing: so only once everything is drawn.
    grid[0][0].set_ylim(bottom=0)
    handles, labels = grid[2][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    save(figure, folder, "growth")


def plot_flush(results, folder):
    rounds = results["parts"]["flush"]["rounds"]
    figure, axes = pyplot.subplots(figsize=(8, 4))
    for deployment, name, style in (
            ("mongodb", "tally, Redis to MongoDB", {"color": TALLY, "marker": "o"}),
            ("embedded", "tally, embedded",
             {"color": TALLY, "marker": "s", "linestyle": "--", "markerfacecolor": "white"})):
        spreads = [Spread.of([each.get(f"{deployment}_{counters}", None) for each in rounds]) for counters in FLUSHED]
        axes.plot(FLUSHED, [each.median / 1000 for each in spreads], label=name, **style)
    node = Spread.of([each["node"] for each in rounds]).median / 1000
    axes.scatter(
        [AGAINST_NODE], [node], color=OTHER, marker="D", s=45, label="the Node way, Redis to MongoDB", zorder=3)
    axes.annotate(f"{node:.1f} s", (AGAINST_NODE, node), xytext=(9, 0), textcoords="offset points", va="center")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(FLUSHED, [f"{counters:,}" for counters in FLUSHED])
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(PLAIN)
    axes.yaxis.set_minor_locator(ticker.NullLocator())
    axes.set_title("Time of a flush (less is better)")
    axes.set_xlabel("counters that are flushed, five to a document; logarithmic")
    axes.set_ylabel("seconds, logarithmic")
    axes.grid(color="#E5E5E5")
    axes.legend(loc="upper left")
    save(figure, folder, "flush")


# Kernel, what others wrote, tally; told apart by hatching within each.
PROFILE_STYLES = {
    "send": {"facecolor": OTHER_LIGHT}, "read": {"facecolor": OTHER_LIGHT, "hatch": "///"},
    "kernel": {"facecolor": OTHER_LIGHT, "hatch": "|||"}, "nio": {"facecolor": OTHER},
    "swift": {"facecolor": OTHER, "hatch": "///"}, "c": {"facecolor": OTHER, "hatch": "|||"},
    "sqlite": {"facecolor": OTHER, "hatch": "xxx"}, "tally": {"facecolor": TALLY},
}
STEP_STYLES = {
    "work": {"facecolor": TALLY}, "script": {"facecolor": OTHER_LIGHT}, "sync": {"facecolor": OTHER},
    "answer": {"facecolor": OTHER_LIGHT, "hatch": "///"},
}


def stacks(axes, bars, names, styles, digits, least, below):
    """Bars of parts: each bar its name and the samples of its rounds. A part of at least `least` has its number in it;
    what the parts are called stands `below` the axes, in heights of theirs."""
    for height, (_, samples) in enumerate(bars):
        left = 0
        for key in names:
            value = Spread.of([each[key] for each in samples]).median
            axes.barh([height], [value], left=left, edgecolor="white", linewidth=0.5, **styles[key])
            if value >= least:
                axes.annotate(
                    f"{value:.{digits}f}", (left + value / 2, height), ha="center", va="center", fontsize=8,
                    bbox={"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none"})
            left += value
        axes.annotate(f"{left:.{digits}f}", (left, height), xytext=(6, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(bars)), [name for name, _ in bars])
    axes.legend(handles=[Patch(label=names[key], edgecolor="white", **styles[key]) for key in names], ncols=4,
                loc="upper center", bbox_to_anchor=(0.4, -below), fontsize=9)
    axes.margins(x=0.08)
    axes.grid(axis="x", color="#E5E5E5")
    axes.tick_params(axis="y", length=0)


def plot_profile(results, folder):
    rounds = results["parts"]["profile"]["rounds"]
    batches = [each["batch_us"] for each in rounds if each["batch_us"]]
    figure, panels = pyplot.subplots(
        2 if batches else 1, figsize=(9, 5.6 if batches else 3.6), squeeze=False, layout="constrained",
        height_ratios=[4, 1.1] if batches else None)
    axes = panels[0][0]
    bars = [(label(row), [each[row.key] for each in rounds]) for row in PROFILED[::-1]]
    stacks(axes, bars, TAKERS, PROFILE_STYLES, digits=1, least=0.45, below=0.22)
    axes.set_title("Who takes the CPU time of a request")
    axes.set_xlabel("microseconds of the server, user and system; medians of the rounds")
    if batches:
        axes = panels[1][0]
        stacks(axes, [("one batch", batches)], STEPS, STEP_STYLES, digits=0, least=20, below=0.75)
        axes.set_title("The steps of a batch with appendfsync always")
        axes.set_xlabel("microseconds, one step after the other; medians of the rounds")
    save(figure, folder, "profile")


def main():
    results, folder = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    for part, plot in (("rows", plot_rows), ("rows", plot_latency), ("rows", plot_cpu), ("growth", plot_growth),
                       ("flush", plot_flush), ("profile", plot_profile)):
        if part in results["parts"]:
            plot(results, folder)


if __name__ == "__main__":
    main()
