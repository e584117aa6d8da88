"""How cost grows with connections, with distinct counters, and with instances on one Redis."""
from . import servers
from .load import measure, warm
from .processes import Stage
from .rounds import in_turn
from .servers import Running

CONNECTIONS = [1, 4, 16, 64, 256, 1024]
COUNTERS = [10, 100, 1_000, 10_000, 100_000, 1_000_000]
INSTANCES = [1, 2, 3, 4]


def _points():
    """(name of the series, where on its axis, instances, connections, what is sent)"""
    for deployment in ("redis", "embedded"):
        for connections in CONNECTIONS:
            yield f"connections_{deployment}", connections, 1, connections, ("few",)
        for counters in COUNTERS:
            yield f"counters_{deployment}", counters, 1, 64, ("spread", counters)
    for instances in INSTANCES:
        yield "instances_redis", instances, instances, 64, ("few",)


def run(programs, options, say):
    rounds = []
    for number in range(options.rounds):
        found = {}
        for series, x, instances, connections, mode in in_turn(_points(), number):
            with Stage(servers.BUILD) as stage:
                redis = servers.start_redis(stage) if series.endswith("redis") else None
                # A Redis belongs to one store, so instances that share it need one that they can share too.
                store = servers.start_mongod(stage, programs) if series == "instances_redis" else None
                runnings = [
                    Running(servers.start_tally(stage, programs, redis, store), redis) for _ in range(instances)]
                warm(runnings, options.short_warm_s, connections, mode)
                one = measure(runnings, options.short_s, connections, mode, f"{series} {x}")
            found.setdefault(series, {})[str(x)] = one
            redis_cpu = "" if one["redis_cpu_us"] is None else f", Redis {one['redis_cpu_us']:.2f} us"
            say(f"round {number + 1}  {series:20} {x:9,}  {one['requests_per_s']:9,.0f}/s  "
                f"p99 {one['p99_ms']:7.2f} ms  CPU {one['cpu_us']:6.2f} us{redis_cpu}")
        rounds.append(found)
    return {"rounds": rounds}
