"""On what and with what was measured. Nothing here names the machine or its folders."""
import os
import platform
import re
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

from .servers import BUILD, NODE


def describe(programs):
    cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return {
        "cpu": cpu[1] if cpu else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory[1]) / 2**20),
        # Its version; what follows names the builder.
        "kernel": ".".join(platform.release().split(".")[:2]),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", "Linux"),
        "versions": {
            "tally": _version(programs.tally, "--version"),
            "Swift": _version("swift", "--version"),
            "redis-server": _version("redis-server", "--version"),
            "mongod": _version(programs.mongod, "--version"),
            "nginx": _version("/usr/sbin/nginx", "-v"),
            "Node.js": _version(NODE, "--version"),
            "Go": _version("go", "version"),
            "wrk": _version("wrk", "-v"),
        },
    }


def load_average():
    return round(os.getloadavg()[0], 2)


def sync_ms():
    """What the disk takes to make 4 KiB durable: the pace of every row that syncs. Median of 50, in milliseconds."""
    times = []
    with tempfile.TemporaryFile(dir=BUILD) as file:
        for _ in range(50):
            file.write(bytes(4096))
            file.flush()
            began = time.monotonic()
            os.fdatasync(file.fileno())
            times.append((time.monotonic() - began) * 1000)
    return round(median(times), 2)


def _version(*command):
    try:
        result = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=30)
    except OSError:
        return "not found"
    # The first number with a dot in it, wherever each program writes it.
    found = re.search(r"\d+\.[\w.]*\d", result.stdout + result.stderr)
    return found[0] if found else "unknown"
