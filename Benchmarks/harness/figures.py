"""The figures to reach, each computed from the rounds: a ratio within every round, then the median of the ratios."""
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest of what the rounds gave."""
    median: float
    low: float
    high: float

    @staticmethod
    def of(values):
        values = [value for value in values if value is not None]
        return Spread(median(values), min(values), max(values)) if values else None


@dataclass(frozen=True)
class Figure:
    what: str
    relation: str
    wanted: float
    unit: str
    found: Spread

    @property
    def reached(self):
        return self.found.median >= self.wanted if self.relation == "≥" else self.found.median <= self.wanted


def figures(results):
    """All figures that the parts measured so far allow."""
    return [Figure(what, relation, wanted, unit, spread)
            for what, relation, wanted, unit, values in _all(results) if (spread := Spread.of(values))]


def _all(results):
    parts = results["parts"]
    rows = parts.get("rows", {}).get("rounds", [])
    batch = parts.get("batch", {}).get("rounds", [])
    growth = parts.get("growth", {}).get("rounds", [])
    flush = parts.get("flush", {})
    meanwhile = flush.get("meanwhile", [])
    start = parts.get("start", {})

    def ratio(one, other, key):
        return [each[one][key] / each[other][key] for each in rows]

    def ratio_to_best(one, others, key, best):
        """Against whichever of the others was the best in the same round, so that none is held back by how it was set.
        Results of before there was a row do without it."""
        return [each[one][key] / best(each[other][key] for other in others if other in each) for each in rows]

    def absolute(row, key):
        return [each[row][key] for each in rows]

    rate, cpu = "requests_per_s", "cpu_us"
    yield "/track on Redis against Go, HINCRBY: requests", "≥", 1.4, "×", ratio("tally_redis", "go", rate)
    yield "– the same: p99", "≤", 1.0, "×", ratio("tally_redis", "go", "p99_ms")
    yield "against Go with the same batching: requests", "≥", 1.0, "×", ratio_to_best(
        "tally_redis", ("go_batching", "go_batching_tally"), rate, max)
    yield "against Node/Express: requests", "≥", 10, "×", ratio("tally_redis", "node", rate)
    yield "against nginx `return 204`: requests", "≥", 0.6, "×", ratio("tally_redis", "nginx", rate)
    yield "CPU of a request, service, against bare SwiftNIO", "≤", 1.1, "×", ratio_to_best(
        "tally_redis", ("nio", "nio_tally"), cpu, min)
    yield "CPU of a request, service, against nginx", "≤", 2, "×", ratio("tally_redis", "nginx", cpu)
    yield "CPU of a request, Redis, 64 connections", "≤", 2.5, "µs", absolute("tally_redis", "redis_cpu_us")
    yield "CPU of a request, Redis, 256 connections", "≤", 1.5, "µs", absolute("tally_redis_256", "redis_cpu_us")
    yield "– falling further: 1,024 connections against 256", "≤", 1.0, "×", [
        each["connections_redis"]["1024"]["redis_cpu_us"] / each["connections_redis"]["256"]["redis_cpu_us"]
        for each in growth]
    yield "embedded, `synchronous=FULL`, against Go, HINCRBY: requests", "≥", 1.0, "×", ratio(
        "tally_embedded", "go", rate)
    yield "`appendfsync always` against no append-only file: requests", "≥", 0.8, "×", ratio(
        "tally_always", "tally_redis", rate)
    yield "1,000 in one POST against single GETs: counts/s", "≥", 8, "×", [
        each["redis_json"]["counts_per_s"] / each["redis_get"]["counts_per_s"] for each in batch]
    yield "NDJSON against JSON: counts/s", "≥", 1.0, "×", [
        each["redis_ndjson"]["counts_per_s"] / each["redis_json"]["counts_per_s"] for each in batch]
    yield "flush of 10,000 counters in 2,000 documents against the Node way: speed", "≥", 60, "×", [
        each["node"] / each["mongodb_10000"] for each in flush.get("rounds", [])]
    for deployment, label in (("mongodb", "Redis and MongoDB"), ("embedded", "embedded")):
        yield f"/track p99 while 1,000,000 counters are flushed against at rest, {label}", "≤", 2, "×", [
            each[deployment]["during"]["p99_ms"] / each[deployment]["rest"]["p99_ms"] for each in meanwhile]
    yield "resident memory under load on Redis", "≤", 40, "MB", absolute("tally_redis", "rss_mb")
    yield "resident memory with 1,000,000 counters pending, embedded", "≤", 120, "MB", [
        max(each["embedded"]["pending_rss_mb"], each["embedded"]["rest"]["rss_mb"]) for each in meanwhile]
    yield "start to first answer, embedded", "≤", 150, "ms", start.get("new_ms", [])
