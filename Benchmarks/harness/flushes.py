"""What a flush takes, against the usual way in Node; what it does to /track meanwhile; what waits for it in memory."""
import datetime
import json
import re
import signal
import subprocess
import time

from . import servers
from .load import Load, measure, names, sample, send_counters, warm
from .processes import BenchError, Stage, answers, clean_environment, spawn
from .servers import Running

COUNTERS = [1_000, 10_000, 100_000, 1_000_000]
AGAINST_NODE = 10_000
MANY = 1_000_000
#: Each takes minutes, and one alone says too little of a p99.
MEANWHILE_ROUNDS = 3


def run(programs, options, say):
    rounds = []
    for number in range(options.rounds):
        found = {}
        for counters in COUNTERS:
            # The largest takes most of a minute; once is enough to see the line that it lies on.
            if counters == MANY and number > 0:
                continue
            for deployment in ("mongodb", "embedded"):
                milliseconds = _tally_flush(programs, deployment, counters)
                found[f"{deployment}_{counters}"] = milliseconds
                say(f"round {number + 1}  tally flush, {deployment:8} {counters:9,} counters {milliseconds:10,.0f} ms")
        found["node"] = _node_flush(programs, AGAINST_NODE)
        say(f"round {number + 1}  Node flush,  mongodb  {AGAINST_NODE:9,} counters {found['node']:10,.0f} ms")
        rounds.append(found)
    meanwhile = [
        {name: _track_meanwhile(programs, options, name, say) for name in ("mongodb", "embedded")}
        for _ in range(min(options.rounds, MEANWHILE_ROUNDS))]
    return {"rounds": rounds, "meanwhile": meanwhile}


def _reaches_its_servers(port):
    return answers(port, "/readyz")


def _storage(stage, programs, deployment):
    """Redis and MongoDB, or neither; and the folder that every instance of one measurement shares."""
    if deployment == "embedded":
        return None, None, stage.subfolder("tally-data")
    return servers.start_redis(stage), servers.start_mongod(stage, programs), stage.subfolder("tally-data")


def _tally_flush(programs, deployment, counters):
    """The time that the flush itself takes, as the log tells it: like Node's, without the program's start."""
    with Stage(servers.BUILD) as stage:
        redis, mongod, folder = _storage(stage, programs, deployment)
        taking = servers.start_tally(stage, programs, redis, mongod, folder)
        send_counters(taking.port, counters)
        # Killed, not stopped: a stop would flush. What it took lies in the buffer, all of it, for the next instance.
        taking.stop(signal.SIGKILL)
        flushing = servers.start_tally(stage, programs, redis, mongod, folder, "* * * * * *", _reaches_its_servers)
        # The request that told that the first instance was ready is a counter more.
        return _await_flush(flushing, f"of {counters + 1:,} counters")


def _node_flush(programs, counters):
    """The time that the flush itself takes, by its own clock: Node's start is left out."""
    with Stage(servers.BUILD) as stage:
        redis, mongod, _ = _storage(stage, programs, "mongodb")
        commands = "".join(
            f"SET count:{client}:{test}:{variation} 1\r\n" for client, test, variation in names(counters))
        filled = subprocess.run(
            ["redis-cli", "-p", str(redis.port)], input=commands, stdout=subprocess.DEVNULL, text=True)
        if filled.returncode:
            raise BenchError("redis-cli could not fill Redis for Node's flush")
        process = spawn(
            [servers.NODE, servers.PEERS / "node" / "server.js", "flush",
             "--redis", f"redis://127.0.0.1:{redis.port}", "--mongodb", f"mongodb://127.0.0.1:{mongod.port}"],
            env=clean_environment(servers.NODE_ENVIRONMENT), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        output, errors = process.communicate()
        if process.returncode:
            raise BenchError(f"Node's flush failed:\n{errors[-2000:]}")
        result = json.loads(output)
        if result["counters"] != counters:
            raise BenchError(f"Node's flush moved {result['counters']} counters instead of {counters}")
        return result["milliseconds"]


def _track_meanwhile(programs, options, deployment, say):
    """/track at rest and during a flush, with many counters pending, on the same instance."""
    with Stage(servers.BUILD) as stage:
        redis, mongod, folder = _storage(stage, programs, deployment)
        tally = servers.start_tally(stage, programs, redis, mongod, folder)
        send_counters(tally.port, MANY)
        pending_mb, peak_mb = tally.rss_bytes() / 1e6, tally.peak_rss_bytes() / 1e6
        # Killed, not stopped: a stop would flush. A new instance, since the schedule is set to a moment from now.
        tally.stop(signal.SIGKILL)
        moment = int(time.time()) + 4 + int(options.warm_s + 2 * options.seconds)
        at = datetime.datetime.fromtimestamp(moment, datetime.timezone.utc)
        tally = servers.start_tally(
            stage, programs, redis, mongod, folder, schedule=f"{at.second} {at.minute} {at.hour} * * *")
        running = Running(tally, redis)
        warm([running], options.warm_s)
        rest = measure([running], 2 * options.seconds, label=f"{deployment}, at rest")
        if time.time() > moment:
            raise BenchError("the measurement at rest ended after the flush began; is the machine very busy?")
        time.sleep(max(0, moment - time.time()))

        cpu = tally.cpu_ns(), redis.cpu_ns() if redis else None
        load = Load(tally.url, 900)
        milliseconds = _await_flush(tally, "moved")
        load.stop()
        during = sample(
            [load.result()], tally.cpu_ns() - cpu[0], redis.cpu_ns() - cpu[1] if redis else None, [tally],
            f"{deployment}, during a flush")
        during["flush_ms"] = milliseconds
        say(f"/track {deployment}: p99 {rest['p99_ms']:.2f} ms at rest, {during['p99_ms']:.2f} ms during a flush of "
            f"{milliseconds:,} ms; {rest['requests_per_s']:,.0f}/s and {during['requests_per_s']:,.0f}/s")
        return {"rest": rest, "during": during, "pending_rss_mb": pending_mb, "pending_peak_rss_mb": peak_mb,
                "flush_peak_rss_mb": tally.peak_rss_bytes() / 1e6}


def _await_flush(tally, expected):
    """The duration of the first flush, in milliseconds, as the log tells it."""
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        for line in tally.log_text().splitlines():
            found = re.search(r'"duration_ms":"?(\d+)', line)
            if found:
                if expected not in line:
                    raise BenchError(f"the flush did not do what was expected ({expected}): {line}")
                return int(found[1])
        time.sleep(0.02)
    raise BenchError(f"no flush ended within ten minutes; tally's last words:\n{tally.log_text()[-2000:]}")
