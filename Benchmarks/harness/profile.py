"""Where the time goes: the CPU time of a request by who takes it, and the time of a batch that is synced."""
import re
from bisect import bisect
from collections import Counter
from pathlib import Path
from statistics import median

from . import perf, rows, servers
from .load import Load, measure, warm
from .processes import BenchError, Stage
from .rounds import in_turn

#: The rows that are looked into.
ROWS = [row for row in rows.ROWS if row.key in ("nio", "tally_redis", "tally_embedded", "tally_always")]
#: Who takes CPU time, in the order of table and plot.
TAKERS = {
    "send": "kernel, sending", "read": "kernel, reading", "kernel": "kernel, all else", "nio": "SwiftNIO, llhttp",
    "swift": "Swift's runtime and library", "c": "C libraries", "sqlite": "SQLite", "tally": "tally's own code",
}
#: What a batch that is synced waits for, one after the other.
STEPS = {
    "work": "tally answers and reads", "script": "Redis wakes, runs the script", "sync": "Redis syncs",
    "answer": "the answer reaches tally",
}


def run(programs, options, say):
    rounds = []
    for number in range(options.rounds):
        found = {}
        for row in in_turn(ROWS, number):
            with Stage(servers.BUILD) as stage:
                running = row.start(stage, programs)
                warm([running], options.short_warm_s)
                one = found[row.key] = measure_cpu(stage, running, options.seconds, row)
                if row.key == "tally_always":
                    found["batch_us"] = measure_batch(stage, running)
            say(f"round {number + 1}  {row.label:38} {_words(TAKERS, one, 2)}")
        if found["batch_us"]:
            say(f"round {number + 1}  {'a batch that is synced':38} {_words(STEPS, found['batch_us'], 0)}")
        rounds.append(found)
    return {"rounds": rounds}


def _words(names, values, digits):
    return ", ".join(f"{names[key]} {value:.{digits}f} us" for key, value in values.items())


def measure_cpu(stage, running, seconds, row):
    """Microseconds of the server's CPU time for one request, for each of `TAKERS`."""
    recording = perf.Recording.of_cpu_time(stage.folder, max(1, seconds - 1), running.service)
    cpu_us = measure([running], seconds, label=row.label)["cpu_us"]
    counts, stack = Counter(), []
    for line in recording.lines("comm,ip,sym,dso"):
        if line.strip():
            stack.append(line)
        elif stack:
            counts[taker(stack[1:])] += 1
            stack = []
    if counts.total() < 100:
        raise BenchError(f"perf took {counts.total()} samples of {row.label}; too few to tell anything")
    return {key: cpu_us * counts[key] / counts.total() for key in TAKERS}


def taker(frames):
    """Who takes the time of a sample.

    `frames` are its callers, innermost first, each as `address name (file)`. The innermost one takes it; in the kernel
    it is the system call that says what for. Swift's names begin with the length and the name of their module.
    """
    name, file = re.match(r"\s*[0-9a-f]+ (.*) \((.*)\)$", frames[0]).groups() if frames else ("", "[kernel]")
    if file.startswith("[") and file not in ("[vdso]", "[unknown]"):
        calls = " ".join(frames)
        if re.search(r" (ksys_write|do_writev|__sys_send\w+) ", calls):
            return "send"
        return "read" if re.search(r" (ksys_read|do_readv|__sys_recv\w+) ", calls) else "kernel"
    if "sqlite" in file:
        return "sqlite"
    if ".so" in file or file.startswith("["):
        return "c"
    if re.match(r"\$s\d+Tally", name):
        return "tally"
    return "nio" if re.match(r"\$s\d+(_?NIO|DequeModule)|_?c_nio_|CNIO", name) else "swift"


def measure_batch(stage, running):
    """Microseconds of each of `STEPS`, medians; None where several loops have a batch under way at the same time."""
    loops = [task for pid in running.service.pids() for task in Path(f"/proc/{pid}/task").iterdir()
             if (task / "comm").read_text().startswith("NIO-ELT-1-")]
    if len(loops) != 1:
        return None
    load = Load(running.service.url, 2)
    recording = perf.Recording.of_syncs(stage.folder, 1, loops[0].name, running.redis.process.pid)
    lines = recording.lines("time,event,trace")
    load.result()
    return steps(lines, loops[0].name)


def steps(lines, thread):
    """The same from what was recorded. A batch is under way from when Redis is woken until tally runs with its answer;
    there is one at a time."""
    runs, woken, begun, ended = [], [], [], []
    for line in lines:
        match = re.match(r"\s*([\d.]+):\s+\S*?(\w+): +(.*)", line)
        if not match:
            continue
        time, event, words = float(match[1]) * 1e6, match[2], match[3]
        if event == "sched_switch" and f"next_pid={thread} " in words + " ":
            runs.append(time)
        elif event == "sched_waking":
            woken.append(time)
        elif event == "sys_enter_fdatasync":
            begun.append(time)
        elif event == "sys_exit_fdatasync":
            ended.append(time)
    found = []
    for before, end in zip(ended, ended[1:]):
        start, answered = _next(runs, before), _next(runs, end)
        sync = _next(begun, before)
        wake = woken[bisect(woken, sync) - 1] if sync else None
        # A batch that was sent before the last one was answered would be no batch that waits.
        if None not in (start, answered, sync, wake) and start < wake < sync < end < answered:
            found.append((wake - start, sync - wake, end - sync, answered - end))
    if len(found) < 50:
        raise BenchError(f"perf saw {len(found)} syncs in a second; too few to tell anything")
    return {key: median(each[index] for each in found) for index, key in enumerate(STEPS)}


def _next(times, time):
    index = bisect(times, time)
    return times[index] if index < len(times) else None
