"""1,000 counts in one POST against 1,000 GETs, on the same counters."""
from . import servers
from .load import measure, warm
from .processes import Stage
from .rounds import in_turn
from .servers import Running

MODES = {"get": 1, "json": 1000, "ndjson": 1000}
DEPLOYMENTS = {"redis": "on Redis", "embedded": "embedded"}


def run(programs, options, say):
    rounds = []
    for number in range(options.rounds):
        found = {}
        for deployment in DEPLOYMENTS:
            for mode, counts in in_turn(MODES.items(), number):
                with Stage(servers.BUILD) as stage:
                    redis = servers.start_redis(stage) if deployment == "redis" else None
                    running = Running(servers.start_tally(stage, programs, redis), redis)
                    sent = ("few",) if mode == "get" else (mode,)
                    warm([running], options.short_warm_s, mode=sent)
                    one = measure([running], options.seconds, mode=sent, label=f"batch {deployment} {mode}")
                one["counts_per_s"] = one["requests_per_s"] * counts
                found[f"{deployment}_{mode}"] = one
                say(f"round {number + 1}  batch {deployment:8} {mode:6} {one['counts_per_s']:11,.0f} counts/s")
        rounds.append(found)
    return {"rounds": rounds}
