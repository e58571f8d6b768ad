"""Throughput, latency and processor time under load: real uvicorn, one process each, asked by wrk in turns.

Requests per second depend on the load generator, too, which shares the machine's cores. So what the guard costs is told
in processor time per request, counted in the server, beside a floor: the least of its kind, which checks nothing.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.measure import Row
from bench.verifying import AUDIENCE, token_of_900_bytes
from callerid.testing import LocalIssuer

__all__ = ["Load", "measured", "rows"]

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SECONDS = int(os.environ.get("BENCH_SECONDS", "2"))
CONNECTIONS = 16
STEADY_USERS = 100
ROTATED_TOKENS = 10_000

_ROTATE = """
local tokens = {}
for line in io.lines(os.getenv("BENCH_TOKENS")) do tokens[#tokens + 1] = line end
local paths = {}
for path in string.gmatch(os.getenv("BENCH_PATHS"), "%S+") do paths[#paths + 1] = path end
local turn = 0
local pause = tonumber(os.getenv("BENCH_PAUSE"))
if pause > 0 then delay = function() return pause end end
request = function()
  turn = turn + 1
  return wrk.format("GET", paths[turn % #paths + 1], {["Authorization"] = "Bearer " .. tokens[turn % #tokens + 1]})
end
done = function(summary, latency, requests)
  local bad = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.write(string.format("RESULT %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(99), bad))
end
"""


@dataclass(frozen=True)
class Load:
    """Which applications are compared, on which paths and with which tokens; the first is the baseline."""

    section: str
    apps: Mapping[str, str]
    tokens: str
    paths: str = "/"
    reach: float | None = None
    cost_reach: float | None = None
    """What processor time per request should reach, beside the baseline; ``None``: it is not told."""
    plain: bool = False
    """Whether uvicorn runs as it comes, on asyncio and h11; else on uvloop and httptools."""
    pause: int = 0
    """Milliseconds that each connection waits between two requests: then only latency is told."""


@dataclass(frozen=True)
class _Asked:
    """What one application did in one round: requests per second, the 99th percentile of latency in microseconds, and
    seconds of processor time per request."""

    rate: float
    p99: float
    cost: float


_FLOOR = "floor: "
MOST_COST = 1.25
"""What a request may cost in processor time, beside the floor."""


def rows() -> Iterator[Row]:
    """All rows about applications under load."""
    yield from measured(_loads())


def measured(loads: Iterable[Load]) -> Iterator[Row]:
    """The rows of these comparisons."""
    with LocalIssuer() as issuer, tempfile.TemporaryDirectory() as folder:
        files = _token_files(issuer, Path(folder))
        setup = {
            "audience": AUDIENCE,
            "google_jwks": issuer.jwks_document("google"),
            "google_pem": issuer.pem_document("google"),
            "firebase_keys": issuer.pem_url("firebase"),
        }
        for load in loads:
            yield from _measured(load, setup, files, Path(folder))


def _loads() -> Iterator[Load]:
    yield Load(
        "requests/s, Starlette hello under uvicorn, seen tokens (no auth = 1.0)",
        {
            "no auth": "starlette_bare",
            "callerid": "starlette_callerid",
            "PyJWT in AuthenticationMiddleware": "starlette_pyjwt",
            "google-auth in AuthenticationMiddleware": "starlette_google_auth",
            "floor: middleware that looks a digest up": "starlette_looks_up",
        },
        "steady",
    )
    yield Load(
        "requests/s, Starlette hello under uvicorn as it comes (asyncio, h11), seen tokens (no auth = 1.0)",
        {"no auth": "starlette_bare", "callerid": "starlette_callerid"},
        "steady",
        plain=True,
    )
    yield Load(
        "p99 latency, 16 connections that ask every 20 ms, Starlette hello under uvicorn (no auth = 1.0)",
        {"no auth": "starlette_bare", "callerid": "starlette_callerid"},
        "steady",
        pause=20,
    )
    yield Load(
        "requests/s, Starlette hello, 10,000 tokens in rotation, memory off (no auth = 1.0)",
        {"no auth": "starlette_bare", "callerid": "starlette_callerid_unremembered"},
        "rotated",
        reach=0.45,
    )
    yield Load(
        "requests/s, FastAPI hello under uvicorn, seen tokens (no auth = 1.0)",
        {
            "no auth": "fastapi_bare",
            "callerid": "fastapi_callerid",
            "HTTPBearer + PyJWT dependency": "fastapi_pyjwt",
            "floor: a dependency that gives a constant": "fastapi_depends",
        },
        "steady",
    )
    yield Load(
        "requests/s, FastAPI hello under uvicorn as it comes (asyncio, h11), seen tokens (no auth = 1.0)",
        {"no auth": "fastapi_bare", "callerid": "fastapi_callerid"},
        "steady",
        plain=True,
    )
    yield Load(
        "p99 latency, 16 connections that ask every 20 ms, FastAPI hello under uvicorn (no auth = 1.0)",
        {"no auth": "fastapi_bare", "callerid": "fastapi_callerid"},
        "steady",
        pause=20,
    )
    yield Load(
        "requests/s, FastAPI hello, Firebase users (no auth = 1.0)",
        {"no auth": "fastapi_bare", "firebase-admin dependency": "fastapi_firebase_admin"},
        "firebase",
    )
    yield Load(
        "requests/s, public route, Starlette (no auth = 1.0)",
        {
            "no auth": "starlette_bare",
            "callerid": "starlette_callerid_public",
            "floor: middleware that only calls on": "starlette_calls_on",
        },
        "steady",
    )
    yield Load(
        "requests/s, public route, FastAPI (no auth = 1.0)",
        {
            "no auth": "fastapi_bare",
            "callerid": "fastapi_callerid_public",
            "floor: middleware that only calls on": "fastapi_calls_on",
        },
        "steady",
    )
    yield Load(
        "requests/s, Flask hello under gunicorn, seen tokens (no auth = 1.0)",
        {
            "no auth": "flask_bare",
            "callerid": "flask_callerid",
            "google-auth in the usual decorator": "flask_google_auth",
            "floor: before_request that looks a digest up": "flask_looks_up",
        },
        "steady",
    )
    yield Load(
        "requests/s, public route, Flask under gunicorn (no auth = 1.0)",
        {
            "no auth": "flask_bare",
            "callerid": "flask_callerid_public",
            "floor: before_request that does nothing": "flask_calls_on",
        },
        "steady",
    )
    yield Load(
        "requests/s, FastAPI that awaits 5 ms and works 1 ms, under uvicorn, seen tokens (no auth = 1.0)",
        {"no auth": "working_bare", "callerid": "working_callerid"},
        "steady",
        reach=0.97,
    )
    yield Load(
        "p99 latency, 16 connections that ask every 50 ms, FastAPI that awaits 5 ms and works 1 ms (no auth = 1.0)",
        {"no auth": "working_bare", "callerid": "working_callerid"},
        "steady",
        pause=50,
    )
    for count, reach in ((30, 0.88), (300, 0.98)):
        last = count // 3 - 1
        yield Load(
            f"requests/s, FastAPI of {count} routes: parameters, included routers, mounts (same app without = 1.0)",
            {"no auth": f"routes_{count}_bare", "callerid": f"routes_{count}_callerid"},
            "steady",
            f"/own{last // 2}/a /router/included{last // 2}/b /mount/mounted{last // 2}/c",
            reach=reach,
        )


def _measured(load: Load, setup: Mapping[str, str], files: Mapping[str, Path], folder: Path) -> Iterator[Row]:
    script = folder / "rotate.lua"
    script.write_text(_ROTATE)
    with _serving(load, setup) as servers:
        rounds = [
            {name: _asked(*servers[app], load, files[load.tokens], script) for name, app in load.apps.items()}
            for _ in range(ROUNDS + 1)
        ]
    yield from _rows(load, rounds[1:])  # the first round only warms up


def _rows(load: Load, rounds: Sequence[Mapping[str, _Asked]]) -> Iterator[Row]:
    baseline, *contenders = load.apps
    floor = next((name for name in contenders if name.startswith(_FLOOR)), None)
    for name in contenders:
        ours = name == "callerid"
        late = median(each[name].p99 / each[baseline].p99 for each in rounds)
        if load.pause:
            yield Row(load.section, name, late)
            continue
        rate = median(each[name].rate / each[baseline].rate for each in rounds)
        yield Row(load.section, name, rate, "≥" if ours else "", load.reach if ours else None)
        if ours and load.cost_reach is not None:
            cost = median(each[name].cost / each[baseline].cost for each in rounds)
            section = load.section.replace("requests/s", "processor time per request")
            yield Row(section, name, cost, "≤", load.cost_reach)
        if ours and floor is not None:
            cost = median(each[name].cost / each[floor].cost for each in rounds)
            section = load.section.replace("requests/s", "processor time per request").replace(
                "no auth = 1", "floor = 1"
            )
            yield Row(section, name, cost, "≤", MOST_COST)
            if load.tokens == "steady" and "under uvicorn" in load.section and not load.plain:
                late = median(each[name].p99 / each[floor].p99 for each in rounds)
                section = load.section.replace("requests/s", f"p99 latency, {CONNECTIONS} connections")
                yield Row(section.replace("no auth = 1", "floor = 1"), name, late, "≤", 1.25)


@contextmanager
def _serving(load: Load, setup: Mapping[str, str]) -> Iterator[dict[str, tuple[int, int]]]:
    """The port and the process id of each application's server."""
    environment = {**os.environ, "BENCH_SETUP": json.dumps(setup), "BENCH_PLAIN": "yes" if load.plain else ""}
    running: list[subprocess.Popen[bytes]] = []
    servers: dict[str, tuple[int, int]] = {}
    try:
        for app in load.apps.values():
            port = _free_port()
            running.append(subprocess.Popen([*_on_core(0), *_server(app, port)], env=environment))
            servers[app] = port, running[-1].pid
        for port, _ in servers.values():
            _wait_for(port)
        yield servers
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(10)


def _server(app: str, port: int) -> list[str]:
    if not app.startswith("flask"):
        return [sys.executable, "-m", "bench.apps", app, str(port)]
    gunicorn = [sys.executable, "-m", "gunicorn", "--log-level", "critical", "--no-control-socket", "--threads", "4"]
    return [*gunicorn, "--bind", f"127.0.0.1:{port}", f"bench.apps:{app}()"]


def _asked(port: int, pid: int, load: Load, tokens: Path, script: Path) -> _Asked:
    command = [*_on_core(1), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", str(script)]
    environment = {
        **os.environ,
        "BENCH_TOKENS": str(tokens),
        "BENCH_PATHS": load.paths,
        "BENCH_PAUSE": str(load.pause),
    }
    before = _processor_time(pid)
    printed = subprocess.run(
        [*command, f"http://127.0.0.1:{port}"], env=environment, capture_output=True, text=True, check=True
    ).stdout
    result = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+)", printed)
    if result is None or int(result[4]):
        raise RuntimeError(f"wrk saw errors at {load.section}:\n{printed}")
    count = int(result[1])
    # A server that has yet to load its application answers nothing in the round that warms it up.
    cost = (_processor_time(pid) - before) / max(count, 1)
    return _Asked(count / int(result[2]) * 1e6, float(result[3]), cost)


def _processor_time(pid: int) -> float:
    """Seconds of processor time that a process and its children have used. Source: proc(5), /proc/pid/stat."""
    own = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return (int(own[11]) + int(own[12])) / os.sysconf("SC_CLK_TCK") + sum(
        _processor_time(int(each)) for each in children
    )


def _token_files(issuer: LocalIssuer, folder: Path) -> dict[str, Path]:
    def written(name: str, tokens: list[str]) -> Path:
        path = folder / name
        path.write_text("\n".join(tokens))
        return path

    one = token_of_900_bytes(issuer)
    people = [issuer.altered(one, sub=str(10**20 + number)) for number in range(ROTATED_TOKENS)]
    users = [issuer.firebase_user(f"user{number}", project="shop-prod") for number in range(STEADY_USERS)]
    return {
        "steady": written("steady", people[:STEADY_USERS]),
        "rotated": written("rotated", people),
        "firebase": written("firebase", users),
    }


def _on_core(core: int) -> list[str]:
    return ["taskset", "-c", str(core)] if (os.cpu_count() or 1) > 1 and sys.platform == "linux" else []


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _wait_for(port: int, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"nothing answers at port {port}")
