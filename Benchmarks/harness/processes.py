"""Starts and stops servers, and reads from /proc what they cost.

Everything that a run starts belongs to one `Stage`: at its end, and on Ctrl-C, its servers are stopped and its folder
is removed.
"""
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """Something that the reader of the message can put right."""


def free_port():
    """A TCP port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One started program, with its children where it has any (nginx' workers)."""

    def __init__(self, name, process, log, port=None):
        self.name, self.process, self.log, self.port = name, process, log, port

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    def pids(self):
        found, unseen = [], [self.process.pid]
        while unseen:
            pid = unseen.pop()
            found.append(pid)
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    unseen += [int(child) for child in children.read_text().split()]
                except OSError:
                    pass
        return found

    def cpu_ns(self):
        """CPU time so far, user and system, in nanoseconds, of all threads that live.

        From schedstat, which counts nanoseconds; where the kernel has none, from stat, in ticks of 10 ms. No server
        here ends a thread under load, so nothing is missed.
        """
        total = 0
        for pid in self.pids():
            for task in Path(f"/proc/{pid}/task").iterdir():
                try:
                    total += int((task / "schedstat").read_text().split()[0])
                except FileNotFoundError:
                    fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
                    total += (int(fields[11]) + int(fields[12])) * _TICK_NS
        return total

    def _memory(self, field):
        total = 0
        for pid in self.pids():
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith(field + ":"):
                    total += int(line.split()[1]) * 1024
        return total

    def rss_bytes(self):
        """Resident memory now. Pages that nginx' workers share are counted for each of them."""
        return self._memory("VmRSS")

    def peak_rss_bytes(self):
        return self._memory("VmHWM")

    def log_text(self):
        return self.log.read_text(errors="replace")

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def spawn(argv, **options):
    """Starts a program that a Ctrl-C at the terminal does not reach, and that ends when this one does."""
    try:
        return subprocess.Popen(
            [str(argument) for argument in argv], start_new_session=True, preexec_fn=_die_with_parent, **options)
    except OSError as error:
        raise BenchError(f"{argv[0]} cannot be started: {error.strerror}; Scripts/setup-bench installs what the "
                         "benchmark needs") from None


class Stage:
    """A folder and the servers in it, for as long as a `with` lasts.

    The folder is under the build folder, not in /tmp: that is memory on many machines, where a sync costs nothing.
    """

    def __init__(self, parent):
        self._parent = Path(parent)
        self._servers = []

    def __enter__(self):
        self._parent.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="run-", dir=self._parent))
        # nginx' workers are not root, and look into this folder.
        self.folder.chmod(0o755)
        return self

    def __exit__(self, *_):
        # What is thrown away need not end in order; a last flush would only cost time.
        for server in reversed(self._servers):
            server.stop(signal.SIGTERM if server.name == "nginx" else signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def subfolder(self, name):
        return Path(tempfile.mkdtemp(prefix=name + "-", dir=self.folder))

    def start(self, name, argv, port, is_ready, environment=None, wait_s=20):
        """Starts a server and waits until it is ready."""
        log = self.subfolder(name) / "log"
        with open(log, "wb") as output:
            process = spawn(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=log.parent,
                env=clean_environment(environment))
        server = Server(name, process, log, port)
        self._servers.append(server)
        deadline = time.monotonic() + wait_s
        while not is_ready(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"{name} did not start; its last words:\n{server.log_text()[-2000:]}")
            time.sleep(0.01)
        return server


def clean_environment(extra=None):
    """Only what programs need to run, so that nobody's own settings slip in."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH") if key in os.environ}
    return kept | {key: str(value) for key, value in (extra or {}).items()}


def accepts(port):
    """Whether something takes connections there."""
    with socket.socket() as connection:
        connection.settimeout(2)
        return connection.connect_ex(("127.0.0.1", port)) == 0


def answers(port, target="/track?clientName=acme&testID=cta&variation=A"):
    """Whether an HTTP server there answers with success."""
    return exchange(port, f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"HTTP/1.1 2")


def answers_ping(port):
    return exchange(port, "PING\r\n", b"+PONG")


def exchange(port, request, beginning):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(request.encode())
            return connection.recv(4096).startswith(beginning)
    except OSError:
        return False
