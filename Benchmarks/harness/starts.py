"""From the start of the program to its first answer to /track, embedded."""
import subprocess
import time

from . import servers
from .processes import BenchError, Server, Stage, answers, clean_environment, free_port, spawn

TIMES = 20


def run(programs, options, say):
    times = TIMES if options.rounds >= 5 else 5
    found = {"new_ms": [], "again_ms": []}
    with Stage(servers.BUILD) as stage:
        for _ in range(times):
            folder = stage.subfolder("tally-data")
            found["new_ms"].append(_start(programs, stage, folder))
            found["again_ms"].append(_start(programs, stage, folder))
    say(f"start to first answer: {sorted(found['new_ms'])[times // 2]:.0f} ms with a new folder, "
        f"{sorted(found['again_ms'])[times // 2]:.0f} ms with one that is there")
    return found


def _start(programs, stage, folder):
    port = free_port()
    environment = clean_environment({"DATA_DIR": folder, "PORT": port, "FLUSH_SCHEDULE": servers.NO_FLUSH})
    began = time.monotonic()
    process = spawn([programs.tally, "serve"], cwd=stage.folder, env=environment,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = Server("tally", process, None, port)
    try:
        while not answers(port):
            if process.poll() is not None or time.monotonic() - began > 10:
                raise BenchError("tally did not start; `tally serve` says why")
            # Short against what is measured, and long enough to leave the machine to what starts.
            time.sleep(0.001)
        return (time.monotonic() - began) * 1000
    finally:
        server.stop()
