"""How each program is started: all in one place, so that anyone can see that they are treated alike."""
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .processes import BenchError, accepts, answers, answers_ping, free_port

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "Benchmarks" / "peers"
BUILD = ROOT / ".build-bench"

# Once a year, so that no flush falls into a measurement that is not about flushing.
NO_FLUSH = "0 0 29 2 *"

# As many as tally takes: half the processors, and a lane to Redis for each.
TALLY_LOOPS = max(1, len(os.sched_getaffinity(0)) // 2)

# Debian's, with the libraries that Debian packages for it.
NODE = "/usr/bin/node"
NODE_ENVIRONMENT = {"NODE_PATH": "/usr/share/nodejs:/usr/lib/nodejs", "NODE_ENV": "production"}


@dataclass
class Programs:
    """Where the programs are."""
    tally: Path
    mongod: Path
    nio: Path = BUILD / "nio-bare" / "release" / "nio-bare"
    go_hincrby: Path = BUILD / "go-hincrby"
    go_batching: Path = BUILD / "go-batching"

    @staticmethod
    def find(tally):
        tally = Path(tally).resolve()
        if not os.access(tally, os.X_OK):
            raise BenchError(f"there is no tally at {tally}; run `make bench`, or build it and name it with --tally")
        mongod = os.environ.get("MONGOD") or shutil.which("mongod") or ROOT / ".tools" / "mongod"
        return Programs(tally, Path(mongod))

    def build_peers(self):
        BUILD.mkdir(exist_ok=True)
        for folder, program in (("go-hincrby", self.go_hincrby), ("go-batching", self.go_batching)):
            # Debian's packages of Go libraries are a GOPATH, not modules.
            _run(["go", "build", "-o", program, "."], PEERS / folder,
                 {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": BUILD / "go-cache"})
        _run(["swift", "build", "-c", "release", "--static-swift-stdlib", "--scratch-path", BUILD / "nio-bare"],
             PEERS / "nio-bare", {})


def _run(argv, folder, environment, what=None):
    result = subprocess.run(
        [str(argument) for argument in argv], cwd=folder, capture_output=True, text=True,
        env=os.environ | {key: str(value) for key, value in environment.items()})
    if result.returncode:
        raise BenchError(f"{what or folder.name} could not be made:\n{(result.stdout + result.stderr)[-3000:]}")


@dataclass
class Running:
    """What is under load: the server, and the Redis behind it where there is one."""
    service: object
    redis: object = None


def start_redis(stage, always=False):
    """No append-only file and no snapshots, the same for every peer; or, for one row, a sync for every reply."""
    port = free_port()
    folder = stage.subfolder("redis-data")
    durability = ["--appendonly", "yes", "--appendfsync", "always"] if always else ["--appendonly", "no"]
    return stage.start(
        "redis", ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", folder,
                  "--maxmemory-policy", "noeviction", *durability], port, answers_ping)


def start_mongod(stage, programs):
    """A replica set of one member. As in any replica set, a write is acknowledged when it is in the journal, whoever
    asks: so tally and the Node way wait for the same."""
    port = free_port()
    folder = stage.subfolder("mongod-data")
    mongod = stage.start(
        "mongod", [programs.mongod, "--port", port, "--bind_ip", "127.0.0.1", "--dbpath", folder, "--nounixsocket",
                   "--replSet", "rs0", "--wiredTigerCacheSizeGB", "1", "--quiet"], port, accepts)
    _run([NODE, Path(__file__).with_name("replica_set.js"), port], folder, NODE_ENVIRONMENT, "the replica set")
    return mongod


def start_tally(stage, programs, redis=None, mongod=None, folder=None, schedule=NO_FLUSH, is_ready=answers):
    """Ready when it counts, which leaves one count behind; or as `is_ready` says."""
    port = free_port()
    settings = tally_settings(redis, mongod, folder or stage.subfolder("tally-data"))
    return stage.start(
        "tally", [programs.tally, "serve"], port, is_ready,
        settings | {"PORT": port, "FLUSH_SCHEDULE": schedule, "LOG_FORMAT": "json"})


def tally_settings(redis, mongod, folder):
    settings = {"DATA_DIR": folder}
    if redis:
        settings["REDIS_URL"] = f"redis://127.0.0.1:{redis.port}"
    if mongod:
        settings["MONGODB_URI"] = f"mongodb://127.0.0.1:{mongod.port}/tally"
    return settings


def start_nginx(stage):
    port = free_port()
    folder = stage.subfolder("nginx")
    configuration = folder / "nginx.conf"
    text = (PEERS / "nginx" / "nginx.conf").read_text()
    configuration.write_text(text.replace("@PORT@", str(port)).replace("@FOLDER@", str(folder)))
    return stage.start(
        "nginx", [shutil.which("nginx") or "/usr/sbin/nginx", "-e", "stderr", "-p", folder, "-c", configuration], port,
        answers)


def start_peer(stage, program, redis=None, options=()):
    port = free_port()
    address = ["--redis", f"127.0.0.1:{redis.port}"] if redis else []
    return stage.start(program.name, [program, "--port", port, *address, *options], port, answers)


def start_node(stage, redis):
    port = free_port()
    return stage.start(
        "node", [NODE, PEERS / "node" / "server.js", "--port", port, "--redis", f"redis://127.0.0.1:{redis.port}"],
        port, answers, NODE_ENVIRONMENT)
