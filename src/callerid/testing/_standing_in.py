"""A local issuer in place of those that a guard trusts: for the length of a ``with`` block, their keys are its own."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from callerid.authentication import Authenticator
from callerid.guard import GuardCore

if TYPE_CHECKING:
    from callerid.testing._local_issuers import LocalIssuers

__all__ = ["standing_in", "standing_in_alone"]

_LOCK = threading.RLock()


@dataclass(eq=False)
class _Layer:
    """One block: whose keys the guard believes in it, and what it holds for that."""

    issuer: LocalIssuers
    state: dict[str, Any]


@dataclass(eq=False)
class _Layers:
    """The open blocks of one guard, the newest last, and what the guard held before the first of them."""

    before: dict[str, Any]
    blocks: list[_Layer] = field(default_factory=list[_Layer])


_LAYERS: dict[GuardCore, _Layers] = {}


@contextmanager
def standing_in(issuer: LocalIssuers, *guards: GuardCore) -> Generator[None]:
    """While active, these guards take the tokens of a local issuer, and no others.

    Of several blocks for one guard the newest counts; they may end in any order.
    """
    with _begun(issuer, guards):
        yield


@contextmanager
def standing_in_alone(issuer: LocalIssuers, *guards: GuardCore) -> Generator[None]:
    """As `standing_in`; raises `RuntimeError` where another issuer stands in for one of the guards."""
    with _LOCK:
        open_blocks = [block for guard in guards if guard in _LAYERS for block in _LAYERS[guard].blocks]
        if any(block.issuer is not issuer for block in open_blocks):
            raise RuntimeError(
                "Another LocalIssuer stands in for this guard, which would refuse its tokens: use that one, or end "
                "its block first."
            )
        begun = _begun(issuer, guards)
    with begun:
        yield


def _begun(issuer: LocalIssuers, guards: Iterable[GuardCore]) -> ExitStack:
    with ExitStack() as undoing:
        for guard in dict.fromkeys(guards):
            guard.check_ready()
            undoing.callback(_end, guard, _begin(issuer, guard))
        return undoing.pop_all()


def _begin(issuer: LocalIssuers, guard: GuardCore) -> _Layer:
    with _LOCK:
        own, block = vars(guard), _Layer(issuer, _state(issuer, guard))
        layers = _LAYERS.setdefault(guard, _Layers({name: own[name] for name in block.state}))
        layers.blocks.append(block)
        own.update(block.state)
    return block


def _end(guard: GuardCore, block: _Layer) -> None:
    with _LOCK:
        layers = _LAYERS[guard]
        layers.blocks.remove(block)
        vars(guard).update(layers.blocks[-1].state if layers.blocks else layers.before)
        if not layers.blocks:
            del _LAYERS[guard]


def _state(issuer: LocalIssuers, guard: GuardCore) -> dict[str, Any]:
    """All that identifies callers, made anew with the issuer's keys: no key and no token is known to both."""
    trusted = [issuer.in_place_of(each) for each in guard.issuers]
    own = guard.authenticator
    made = Authenticator(
        *trusted,
        leeway=own.leeway,
        longest_token=own.longest_token,
        clock=own.clock,
        trusted_origins=own.origins,
    )
    return {"authenticator": made}
