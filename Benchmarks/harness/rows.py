"""The peers and tally, side by side: one row for each, all rows in every round."""
from dataclasses import dataclass
from typing import Callable

from . import servers
from .load import measure, warm
from .processes import Stage
from .rounds import in_turn
from .servers import Running


@dataclass(frozen=True)
class Row:
    key: str
    label: str
    #: (stage, programs) -> Running
    start: Callable
    connections: int = 64


def _on_redis(start, always=False):
    def begin(stage, programs):
        redis = servers.start_redis(stage, always)
        return Running(start(stage, programs, redis), redis)
    return begin


_tally_on_redis = lambda stage, programs, redis: servers.start_tally(stage, programs, redis)

ROWS = [
    Row("nginx", "nginx, `return 204`", lambda stage, programs: Running(servers.start_nginx(stage))),
    Row("nio", "SwiftNIO, empty 204", lambda stage, programs: Running(servers.start_peer(stage, programs.nio))),
    Row("nio_tally", "SwiftNIO, empty 204, as many loops as tally", lambda stage, programs: Running(
        servers.start_peer(stage, programs.nio, options=("--loops", servers.TALLY_LOOPS)))),
    Row("node", "Node/Express, INCR",
        _on_redis(lambda stage, programs, redis: servers.start_node(stage, redis))),
    Row("go", "Go, HINCRBY",
        _on_redis(lambda stage, programs, redis: servers.start_peer(stage, programs.go_hincrby, redis))),
    Row("go_batching", "Go, batching",
        _on_redis(lambda stage, programs, redis: servers.start_peer(stage, programs.go_batching, redis))),
    Row("go_batching_tally", "Go, batching, as many lanes as tally",
        _on_redis(lambda stage, programs, redis: servers.start_peer(
            stage, programs.go_batching, redis, ("--lanes", servers.TALLY_LOOPS)))),
    Row("tally_redis", "tally on Redis", _on_redis(_tally_on_redis)),
    Row("tally_embedded", "tally embedded",
        lambda stage, programs: Running(servers.start_tally(stage, programs))),
    Row("tally_always", "tally on Redis, `appendfsync always`", _on_redis(_tally_on_redis, always=True)),
    Row("tally_redis_256", "tally on Redis, 256 connections", _on_redis(_tally_on_redis), connections=256),
]

#: What is compared with each other stands side by side, since a machine's pace changes within a minute.
ORDER = ["nginx", "nio", "nio_tally", "tally_redis", "tally_always", "node", "go", "go_batching", "go_batching_tally",
         "tally_embedded", "tally_redis_256"]


def run(programs, options, say):
    """Every row gets fresh servers in every round."""
    in_order = sorted(ROWS, key=lambda row: ORDER.index(row.key))
    rounds = []
    for number in range(options.rounds):
        found = {}
        for row in in_turn(in_order, number):
            with Stage(servers.BUILD) as stage:
                running = row.start(stage, programs)
                warm([running], options.warm_s, row.connections)
                one = measure([running], options.seconds, row.connections, label=row.label)
            found[row.key] = one
            redis = "" if one["redis_cpu_us"] is None else f", Redis {one['redis_cpu_us']:.2f} us"
            say(f"round {number + 1}  {row.label:44} {one['requests_per_s']:9,.0f}/s  p99 {one['p99_ms']:7.2f} ms  "
                f"CPU {one['cpu_us']:6.2f} us{redis}")
        rounds.append(found)
    return {"rounds": rounds}
