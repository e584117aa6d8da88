"""Writes the results: a JSON file with every round, and the tables of docs/performance.md."""
import json
import re
from statistics import median

from .figures import Spread, figures
from .growth import CONNECTIONS, COUNTERS, INSTANCES
from .flushes import AGAINST_NODE
from .flushes import COUNTERS as FLUSHED
from .profile import ROWS as PROFILED
from .profile import STEPS, TAKERS
from .rows import ROWS

_MARKED = r"(<!-- generated: {name} -->\n).*?(<!-- end -->)"


def save(results, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    # By way of a second file, so that a Ctrl-C leaves the old results or the new ones.
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    fresh.replace(path)


def fill(text, results):
    """The document, with the tables between its markers made anew where there are results for them."""
    for name, table in TABLES.items():
        body = table(results)
        if body is None:
            continue
        text, found = re.subn(
            _MARKED.format(name=name), lambda match: f"{match[1]}{body}\n{match[2]}", text, flags=re.DOTALL)
        if found != 1:
            raise ValueError(f"the document has {found} places for the table {name}, instead of one")
    return text


def _number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _spread(values, range_too=True):
    spread = Spread.of(values)
    if spread is None:
        return "–"
    text, low, high = _number(spread.median), _number(spread.low), _number(spread.high)
    return f"{text} ({low} – {high})" if range_too and low != high else text


def _table(head, lines):
    """The first column is words, the others are numbers."""
    return "\n".join(
        "| " + " | ".join(line) + " |" for line in [head, ["---"] + ["---:"] * (len(head) - 1), *lines])


def _measured(part):
    rounds = f"{part['round_count']} {'round' if part['round_count'] == 1 else 'rounds'}"
    return (f"\nMeasured on {part['date']}, {rounds}. At the start the load average was {part['load_average']}, and "
            f"4 KiB were written and synced to disk in {part['sync_ms']} ms (median).")


def _machine(results):
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (f"{machine['cores']} cores of {machine['cpu']}, {machine['memory_gib']} GiB of memory, "
            f"{machine['system']}, kernel {machine['kernel']}. {versions}.")


def _figures(results):
    lines = [[each.what, f"{each.relation} {each.wanted:g} {each.unit}",
              f"{_number(each.found.median)} {each.unit}",
              f"{_number(each.found.low)} – {_number(each.found.high)}" if each.found.low < each.found.high else "–",
              "yes" if each.reached else "**no**"] for each in figures(results)]
    return _table(["What", "Figure to reach", "Median", "From – to", "Reached"], lines) if lines else None


def _rows(results):
    part = results["parts"].get("rows")
    if not part:
        return None
    lines, failures = [], []
    for row in ROWS:
        samples = [each[row.key] for each in part["rounds"] if row.key in each]
        if not samples:
            continue
        values = lambda key: [each[key] for each in samples]
        errors = sum(values("bad_status")) + sum(values("socket_errors"))
        if errors:
            failures.append(f"**{row.label}: {errors:,} of its answers were no success; its numbers say little.**")
        lines.append([
            row.label, _spread(values("requests_per_s")), _spread(values("p50_ms"), False), _spread(values("p99_ms")),
            _spread(values("p999_ms"), False), _spread(values("cpu_us")), _spread(values("redis_cpu_us")),
            _spread(values("rss_mb"), False), f"{errors:,}"])
    head = ["Server", "Requests/s", "p50, ms", "p99, ms", "p99.9, ms", "CPU of a request, µs", "– in Redis, µs",
            "Resident, MB", "Errors"]
    return "\n\n".join([_table(head, lines), *failures]) + "\n" + _measured(part)


def _batch(results):
    part = results["parts"].get("batch")
    if not part:
        return None
    lines = []
    for deployment, label in (("redis", "on Redis"), ("embedded", "embedded")):
        for mode, words in (
                ("get", "one GET each"), ("json", "1,000 in a JSON array"), ("ndjson", "1,000 lines of JSON")):
            samples = [each[f"{deployment}_{mode}"] for each in part["rounds"]]
            counts = 1 if mode == "get" else 1000
            lines.append([
                f"{label}, {words}", _spread([each["counts_per_s"] for each in samples]),
                _spread([each["p99_ms"] for each in samples], False),
                _spread([each["cpu_us"] / counts for each in samples], False),
                f"{sum(each['bad_status'] + each['socket_errors'] for each in samples):,}"])
    return _table(["", "Counts/s", "p99, ms", "CPU of a count, µs", "Errors"], lines) + "\n" + _measured(part)


def _growth(series_and_values, first):
    def table(results):
        part = results["parts"].get("growth")
        if not part:
            return None
        lines = []
        for series, label, axis in series_and_values:
            for x in axis:
                samples = [each[series][str(x)] for each in part["rounds"]]
                values = lambda key: [each[key] for each in samples]
                lines.append([
                    f"{label}, {x:,}" if label else f"{x:,}", _spread(values("requests_per_s")),
                    _spread(values("p99_ms"), False), _spread(values("cpu_us"), False),
                    _spread(values("redis_cpu_us"), False), _spread(values("rss_mb"), False),
                    f"{sum(values('bad_status')) + sum(values('socket_errors')):,}"])
        head = [first, "Requests/s", "p99, ms", "CPU of a request, µs", "– in Redis, µs", "Resident, MB", "Errors"]
        return _table(head, lines) + "\n" + _measured(part)
    return table


def _flush(results):
    part = results["parts"].get("flush")
    if not part:
        return None
    rounds = part["rounds"]
    lines = []
    for counters in FLUSHED:
        node = [each["node"] for each in rounds] if counters == AGAINST_NODE else []
        lines.append([f"{counters:,}", *(
            _spread([each[f"{deployment}_{counters}"] for each in rounds if f"{deployment}_{counters}" in each])
            for deployment in ("mongodb", "embedded")), _spread(node)])
    head = ["Counters", "Redis to MongoDB, ms", "embedded, ms", "the Node way, Redis to MongoDB, ms"]
    return _table(head, lines) + "\n" + _measured(part)


def _meanwhile(results):
    part = results["parts"].get("flush")
    if not part:
        return None
    rounds = part["meanwhile"]
    lines = []
    for deployment, label in (("mongodb", "Redis and MongoDB"), ("embedded", "embedded")):
        for phase, words in (("rest", "at rest"), ("during", "during the flush")):
            samples = [each[deployment][phase] for each in rounds]
            values = lambda key: [each[key] for each in samples]
            lines.append([
                f"{label}, {words}", _spread(values("requests_per_s")), _spread(values("p50_ms"), False),
                _spread(values("p99_ms")), _spread(values("p999_ms"), False), _spread(values("rss_mb"), False),
                f"{sum(values('bad_status')) + sum(values('socket_errors')):,}"])

    def seconds(deployment):
        return _number(median(each[deployment]["during"]["flush_ms"] for each in rounds) / 1000)

    def most_mb(key):
        return _number(max(each["embedded"][key] for each in rounds))

    head = ["", "Requests/s", "p50, ms", "p99, ms", "p99.9, ms", "Resident, MB", "Errors"]
    return (_table(head, lines) + "\n\n"
            f"{len(rounds)} of each. The flush under load took {seconds('mongodb')} s to MongoDB and "
            f"{seconds('embedded')} s embedded (medians). Embedded, {most_mb('pending_rss_mb')} MB at most "
            f"were resident right after 1,000,000 counters came in, {most_mb('pending_peak_rss_mb')} MB until then, and "
            f"{most_mb('flush_peak_rss_mb')} MB in the instance that flushed.")


def _start(results):
    part = results["parts"].get("start")
    if not part:
        return None
    lines = [[words, _spread(part[key])] for key, words in (
        ("new_ms", "with a new folder"), ("again_ms", "with a folder that is there"))]
    return _table(["Start to first answer, embedded", "ms"], lines) + "\n" + _measured(
        part | {"round_count": len(part["new_ms"])})


def _profile(results):
    part = results["parts"].get("profile")
    if not part:
        return None
    lines = [[words, *(_spread([each[row.key][taker] or None for each in part["rounds"]], False) for row in PROFILED)]
             for taker, words in TAKERS.items()]
    lines.append(["**together**", *(
        _spread([sum(each[row.key].values()) for each in part["rounds"]]) for row in PROFILED)])
    return _table(["µs of CPU time", *(row.label for row in PROFILED)], lines) + "\n" + _measured(part)


def _synced(results):
    batches = [each["batch_us"] for each in results["parts"].get("profile", {}).get("rounds", []) if each["batch_us"]]
    if not batches:
        return None
    lines = [[words, _spread([each[step] for each in batches])] for step, words in STEPS.items()]
    lines.append(["**together**", _spread([sum(each.values()) for each in batches])])
    return _table(["For each batch, one after the other", "µs"], lines)


TABLES = {
    "machine": _machine,
    "figures": _figures,
    "rows": _rows,
    "batch": _batch,
    "connections": _growth([("connections_redis", "on Redis", CONNECTIONS),
                            ("connections_embedded", "embedded", CONNECTIONS)], "Connections"),
    "counters": _growth([("counters_redis", "on Redis", COUNTERS),
                         ("counters_embedded", "embedded", COUNTERS)], "Distinct counters"),
    "instances": _growth([("instances_redis", "", INSTANCES)], "Instances on one Redis"),
    "flush": _flush,
    "meanwhile": _meanwhile,
    "start": _start,
    "profile": _profile,
    "synced": _synced,
}
