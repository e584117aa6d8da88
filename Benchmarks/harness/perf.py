"""Records with Linux' `perf` while something else puts load on."""
import shutil
import subprocess
import tempfile

from .processes import BenchError, spawn

#: Samples in a second of CPU time. Few, since each costs an interrupt; a prime, so that it keeps step with nothing.
_FREQUENCY = 499


def missing():
    """Why `perf` cannot record here; None if it can. It wants rights that not every machine gives."""
    if not shutil.which("perf"):
        return "perf is missing; Scripts/setup-bench installs it"
    with tempfile.NamedTemporaryFile() as data:
        result = subprocess.run(
            ["perf", "record", "-q", "-a", "-e", "sched:sched_switch", "-o", data.name, "--", "true"],
            capture_output=True, text=True)
    if result.returncode:
        return ("perf may not look at the kernel's scheduler; run as root, and where containers are allowed it. It "
                f"says: {' '.join(result.stderr.split())[:300]}")
    return None


class Recording:
    """One `perf record`, of so many seconds from now on. One at a time to a folder."""

    def __init__(self, folder, seconds, options):
        self._data = folder / "perf.data"
        self._process = spawn(
            ["perf", "record", "-q", "-o", self._data, *options, "--", "sleep", seconds],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    @classmethod
    def of_cpu_time(cls, folder, seconds, server):
        """Where a server is whenever so much of its CPU time has passed, with the callers."""
        pids = ",".join(str(pid) for pid in server.pids())
        return cls(folder, seconds, ["-e", "cpu-clock", "-F", str(_FREQUENCY), "-g", "-p", pids])

    @classmethod
    def of_syncs(cls, folder, seconds, thread, redis):
        """When a thread runs and when not, when Redis is woken, and when it syncs."""
        return cls(folder, seconds, [
            "-a", "-e", "sched:sched_switch", "--filter", f"prev_pid=={thread} || next_pid=={thread}",
            "-e", "sched:sched_waking", "--filter", f"pid=={redis}",
            "-e", "syscalls:sys_enter_fdatasync", "-e", "syscalls:sys_exit_fdatasync"])

    def lines(self, fields):
        """What was recorded, as `perf script` writes it. Waits for the end."""
        _, words = self._process.communicate()
        if self._process.returncode:
            raise BenchError(f"perf recorded nothing: {words[-1000:]}")
        result = subprocess.run(
            ["perf", "script", "-i", self._data, "-F", fields, "--no-inline"], capture_output=True, text=True,
            errors="replace")
        self._data.unlink()
        if result.returncode:
            raise BenchError(f"perf cannot read what it recorded: {result.stderr[-1000:]}")
        return result.stdout.split("\n")
