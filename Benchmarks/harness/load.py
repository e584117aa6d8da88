"""Puts load on a server with wrk, and says what came of it and what it cost."""
import http.client
import json
import signal
import subprocess
import sys
from pathlib import Path

from .processes import BenchError, spawn

_SCRIPT = Path(__file__).with_name("load.lua")


class Load:
    """wrk, while it runs. It has one thread, since it shares the machine with what it measures."""

    def __init__(self, url, seconds, connections=64, mode=("few",)):
        # The target stands in the requests; the URL only says where.
        self._process = spawn(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", _SCRIPT, url, "--", *mode],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def stop(self):
        """Ends it early; it tells its result nevertheless."""
        self._process.send_signal(signal.SIGINT)

    def result(self):
        try:
            output, _ = self._process.communicate()
        except BaseException:
            self._process.kill()
            raise
        for line in output.splitlines():
            if line.startswith("RESULT "):
                return json.loads(line.removeprefix("RESULT "))
        raise BenchError(f"wrk gave no result:\n{output[-2000:]}")


def measure(runnings, seconds, connections=64, mode=("few",), label=""):
    """Loads one or several servers at the same time, each by a wrk of its own; gives one sample.

    Of several, requests and CPU are added up, and latencies are those of the slowest.
    """
    services = [running.service for running in runnings]
    # One Redis may stand behind several.
    redis = list({id(running.redis): running.redis for running in runnings if running.redis}.values())

    def cpu(servers):
        return sum(server.cpu_ns() for server in servers)

    before = cpu(services), cpu(redis)
    loads = [Load(service.url, seconds, connections, mode) for service in services]
    results = [load.result() for load in loads]
    after = cpu(services), cpu(redis)
    return sample(results, after[0] - before[0], after[1] - before[1] if redis else None, services, label)


def sample(results, cpu_ns, redis_cpu_ns, services, label=""):
    requests = sum(result["requests"] for result in results)
    if requests == 0:
        raise BenchError(f"{label or services[0].name} answered nothing")
    found = {
        "requests": requests,
        "requests_per_s": sum(result["requests"] / result["seconds"] for result in results),
        "cpu_us": cpu_ns / 1000 / requests,
        "redis_cpu_us": None if redis_cpu_ns is None else redis_cpu_ns / 1000 / requests,
        "rss_mb": max(service.rss_bytes() for service in services) / 1e6,
        "bad_status": sum(result["bad_status"] for result in results),
        "socket_errors": sum(result["socket_errors"] for result in results),
    }
    for key in ("p50_ms", "p99_ms", "p999_ms", "max_ms"):
        found[key] = max(result[key] for result in results)
    warn_of_errors(found, label)
    return found


def warn_of_errors(found, label):
    if found["bad_status"] or found["socket_errors"]:
        print(f"!!! {label}: {found['bad_status']} of {found['requests']} answers were no success, "
              f"{found['socket_errors']} socket errors; this measurement is worth little", file=sys.stderr)


def warm(runnings, seconds, connections=64, mode=("few",)):
    for load in [Load(running.service.url, seconds, connections, mode) for running in runnings]:
        load.result()


def names(counters):
    """Distinct counters: 5 variations to a test, 1,000 tests to a client; so 10,000 counters are 2,000 documents."""
    for index in range(counters):
        test = index // 5
        yield f"client{test // 1000}", f"test{test % 1000}", f"v{index % 5}"


def send_counters(port, counters):
    """Counts each of so many counters once, 1,000 to a request. Returns when all of them are acknowledged."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    items = []

    def send():
        connection.request("POST", "/track", "[" + ",".join(items) + "]", {"Content-Type": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise BenchError(f"tally refused counters that were to be flushed: {answer.status} {body[:500]!r}")
        items.clear()

    for client, test, variation in names(counters):
        items.append(f'{{"clientName":"{client}","testID":"{test}","variation":"{variation}"}}')
        if len(items) == 1000:
            send()
    if items:
        send()
    connection.close()
