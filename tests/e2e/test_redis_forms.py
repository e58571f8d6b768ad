"""A real cluster of three, and a real Sentinel with a failover: what one process revokes others refuse there, too."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from redis.crc import key_slot
from redis.exceptions import RedisError

from callerid.testing import LocalIssuer

from .fleet_members import Member, felt
from .redis_server import Server, free_port, until
from .test_single_use import USED, Pair
from .use_member import THREADS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

LOOSE = ("--cluster-node-timeout", "2000", "--cluster-require-full-coverage", "no")


class Form(NamedTuple):
    """Several servers, and what happens to them: ``fail`` loses what the one with the denials knew."""

    url: str
    fail: Callable[[], None]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def cluster(folder: Path, stack: ExitStack) -> Form:
    nodes = list[Server]()
    for number in range(3):
        (own := folder / f"node{number}").mkdir()
        nodes.append(Server(own, "--cluster-enabled", "yes", "--cluster-port", str(free_port()), *LOOSE))
        stack.callback(nodes[-1].kill)
    program = shutil.which("redis-cli")
    assert program, "make e2e installs redis-server, and redis-cli with it"
    hosts = [f"127.0.0.1:{each.port}" for each in nodes]
    join = [program, "--no-auth-warning", "-a", "right", "--cluster", "create", *hosts, "--cluster-yes"]
    subprocess.run(join, check=True, stdout=subprocess.DEVNULL, timeout=60)
    until(lambda: all(each.client.cluster("INFO")["cluster_state"] == "ok" for each in nodes), 60)

    def fail() -> None:
        owner = nodes[_owner(nodes[0].client.cluster("SLOTS"), [each.port for each in nodes])]
        owner.kill()
        owner.start()

    return Form(f"redis+cluster://:right@{','.join(hosts)}", fail)


def _owner(slots: Any, ports: list[int]) -> int:
    """Which node has the denials."""
    slot = key_slot(b"callerid:revoked")
    [port] = [int(main[1]) for first, last, main, *_ in slots if first <= slot <= last]
    return ports.index(port)


def sentinel(folder: Path, stack: ExitStack) -> Form:
    for name in ("main", "replica", "sentinel"):
        (folder / name).mkdir()
    main = Server(folder / "main", "--masterauth", "right")
    stack.callback(main.kill)
    follow = ("--masterauth", "right", "--replicaof", f"127.0.0.1 {main.port}")
    replica = Server(folder / "replica", *follow)
    stack.callback(replica.kill)
    until(lambda: replica.client.info("replication")["master_link_status"] == "up", 60)
    file = folder / "sentinel" / "sentinel.conf"
    settings = (
        f"sentinel monitor shop 127.0.0.1 {main.port} 1",
        "sentinel auth-pass shop right",
        "sentinel down-after-milliseconds shop 2000",
        "sentinel failover-timeout shop 10000",
    )
    file.write_text("".join(f"{each}\n" for each in settings))
    watching = Server(folder / "sentinel", file=file)
    stack.callback(watching.kill)
    until(lambda: watching.client.sentinel_masters()["shop"]["num-slaves"] == 1, 60)

    def fail() -> None:
        main.kill()
        until(lambda: _is_main(replica), 90)

    return Form(f"redis+sentinel://:right@127.0.0.1:{watching.port}/shop/0?sentinel_password=right", fail)


def _is_main(server: Server) -> bool:
    try:
        return bool(server.client.info("replication")["role"] == "master")
    except RedisError:  # it closes connections where its role changes
        return False


FORMS = {"cluster": cluster, "sentinel": sentinel}


def is_settled(member: Member) -> bool:
    status = member.status
    return status[0] is True and status[2:4] == [0, None]


@pytest.mark.parametrize("form", FORMS)
def test_what_one_process_revokes_others_refuse_before_and_after_a_failure(
    tmp_path: Path, stack: ExitStack, form: str
) -> None:
    made = FORMS[form](tmp_path, stack)

    def member() -> Member:
        started = Member(made.url)
        stack.callback(started.end)
        assert started("ask 9") == "admitted"
        until(started.is_listening, 30)
        return started

    here, there = member(), member()
    here("revoke 1")
    until(felt(there, 1), 10)
    made.fail()
    here("revoke 2")
    until(felt(there, 2), 60)
    for each in (here, there):
        until(partial(is_settled, each), 60)
    late = member()
    until(felt(late, 1), 30)
    assert [late("ask 2"), late("ask 3")] == ["revoked", "admitted"]


@pytest.mark.parametrize("form", FORMS)
def test_a_token_is_accepted_once_before_and_after_a_failure(tmp_path: Path, stack: ExitStack, form: str) -> None:
    made = FORMS[form](tmp_path, stack)
    both = Pair(made.url, LocalIssuer(), 30)
    stack.callback(both.end)
    until(both.is_in_order, 60)
    expected = Counter({"admitted": 1, USED: 2 * THREADS - 1})
    before = [both.new() for _ in range(10)]
    assert [both.present(each) for each in before] == [expected] * 10
    made.fail()
    until(both.is_in_order, 90)
    assert [both.present(each)["admitted"] for each in before] == [0] * 10
    assert both.present(both.new()) == expected
