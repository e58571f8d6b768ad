"""Acting: a test calls handlers as a given caller, and the rules judge as ever.

``app.dependency_overrides`` cannot do this: a rule is no dependency's value, so replacing values never lifts a rule.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import wraps
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

import anyio

from callerid.authentication import Identity, Waited
from callerid.callers import APP, Caller
from callerid.guard import GuardCore
from callerid.keys import Wait
from callerid.testing._callers import fitted

if TYPE_CHECKING:
    from types import TracebackType


__all__ = ["Acting", "as_caller"]

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=Caller | None)


def as_caller(
    guard: GuardCore,
    caller: C,
    *,
    app: str | None = None,
    roles: Iterable[str] | None = None,
    looked_up: Mapping[str, Iterable[str]] = MappingProxyType({}),
) -> Acting[C]:
    """While active, requests through this guard that carry no credential count as made by this caller.

    With ``app``, those without an App Check token count as sent by that app; ``caller`` may be ``None`` then.

    For instance::

        with as_caller(guard, google_person("ada@example.com", domain="example.com")):
            assert client.get("/reports").status_code == 200

    Nothing else changes: every rule and every ``audience=`` is judged, so a caller who may not is refused with 403, and
    one whose `Caller.audience` does not fit with 401. A request with a credential of its own is judged by that one. A
    caller who was made without ``audience=`` or ``project=`` takes the guard's.

    It holds in the context where the block is opened and in whatever is started there with a copy of that context: the
    tasks of ``asyncio.gather``, `asyncio.to_thread`, an application behind a test client. So two tasks, or two threads,
    may act as two callers at once. A block that the main thread opens outside any task, as a test or a fixture does,
    holds for threads and tasks without a block of their own, too. Blocks nest, the innermost counts, and they may end
    in any order and in another context than they began in. It decorates functions, too, ``async`` ones among them.

    Each request counts as made with a token of its own, so a `callerid.SingleUse` admits it, and no fleet is asked. Its
    token was issued when the caller was made, so one whose account was revoked since is refused with 401; make another
    one to sign in again.

    ``roles`` is what the look-up "roles" says of them, ``looked_up`` what each look-up of a name says; others are asked
    as ever.

    Raises `TypeError` for what is no `Caller`; when the block is opened, `ValueError` for a caller of an issuer that
    this guard does not trust, who could never reach it, and for a Firebase user without ``project=`` where it trusts
    several.
    """
    if not isinstance(caller, Caller) and (caller is not None or app is None):
        raise TypeError(f"as_caller takes a Caller, such as google_person(...) makes, not {caller!r}")
    said = dict(looked_up) if roles is None else {**looked_up, "roles": roles}
    return Acting(guard, caller, app, {of: frozenset(facts) for of, facts in said.items()})


class Acting(Generic[C]):
    """What `as_caller` gives: a context manager for one ``with`` block, and a decorator."""

    def __init__(
        self,
        guard: GuardCore,
        caller: C,
        app: str | None = None,
        looked_up: Mapping[str, frozenset[str]] = MappingProxyType({}),
    ) -> None:
        self._guard, self._caller, self._app, self._looked_up = guard, caller, app, looked_up
        self._block: _Block | None = None

    def __enter__(self) -> C:
        if self._block is not None:
            raise RuntimeError("this block is open already: call as_caller(...) for each")
        trusted = [issuer.name for issuer in self._guard.issuers]
        caller: Caller | None = self._caller
        if caller is not None:
            caller = fitted(caller, self._guard)
            if caller.issuer not in trusted:
                raise ValueError(f"This guard believes {trusted}, so nobody of {caller.issuer!r} could reach it.")
        if self._app is not None and not any(issuer.kind is APP for issuer in self._guard.issuers):
            raise ValueError(f"This guard believes {trusted}, so it would know of no app: give it app_check(...).")
        self._block = _Block(self._guard, caller, self._app, self._looked_up)
        self._block.open()
        return cast("C", caller)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._block is not None:
            self._block.close()
            self._block = None

    def __call__(self, function: F) -> F:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{function.__name__} yields: write `with as_caller(...):` around its yield instead")
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def acting_async(*arguments: Any, **named: Any) -> Any:
                with Acting(self._guard, self._caller, self._app, self._looked_up):
                    return await function(*arguments, **named)

            return cast("F", acting_async)

        @wraps(function)
        def acting(*arguments: Any, **named: Any) -> Any:
            with Acting(self._guard, self._caller, self._app, self._looked_up):
                return function(*arguments, **named)

        return cast("F", acting)


_LOCK = threading.Lock()


@dataclass(eq=False)
class _Block:
    """One ``with`` block. Closed, it counts nowhere: contexts that were copied from its own still hold it."""

    guard: GuardCore
    caller: Caller | None
    app: str | None
    looked_up: Mapping[str, frozenset[str]]
    is_open: bool = True

    def open(self) -> None:
        _OPEN_HERE.set((*_still_open(_OPEN_HERE.get()), self))
        with _LOCK:
            if threading.current_thread() is threading.main_thread() and not _in_a_task():
                _OPEN_EVERYWHERE.append(self)
            _HOOKS.setdefault(self.guard, _Hook(self.guard)).add()

    def close(self) -> None:
        self.is_open = False
        _OPEN_HERE.set(_still_open(_OPEN_HERE.get()))
        with _LOCK:
            _OPEN_EVERYWHERE[:] = _still_open(_OPEN_EVERYWHERE)
            if _HOOKS[self.guard].remove():
                del _HOOKS[self.guard]


_OPEN_HERE: ContextVar[tuple[_Block, ...]] = ContextVar("callerid.testing.as_caller", default=())
"""The blocks of a context, outermost first."""

_OPEN_EVERYWHERE: list[_Block] = []
"""The blocks of the main thread, outside any task: they hold where a context has none."""


def _still_open(blocks: tuple[_Block, ...] | list[_Block]) -> tuple[_Block, ...]:
    return tuple(block for block in blocks if block.is_open)


def _in_a_task() -> bool:
    try:
        anyio.get_current_task()
    except RuntimeError:  # no event loop runs
        return False
    return True


def _acting_for(guard: GuardCore) -> _Block | None:
    """Which block holds in this context."""
    here, everywhere = reversed(_OPEN_HERE.get()), reversed(tuple(_OPEN_EVERYWHERE))
    blocks: Iterator[_Block] = (block for blocks in (here, everywhere) for block in blocks)
    return next((block for block in blocks if block.guard is guard and block.is_open), None)


def _is_same(acting: Caller | None, caller: Caller) -> bool:
    return acting is not None and (acting.issuer, acting.subject) == (caller.issuer, caller.subject)


@dataclass(eq=False)
class _Hook:
    """Has a guard ask `_acting_for` while any of its blocks is open, whatever the context."""

    guard: GuardCore
    count: int = 0
    before: dict[str, Any] = field(default_factory=dict[str, Any])

    def add(self) -> None:
        self.count += 1
        if self.count > 1:
            return
        guard, identify_sent = self.guard, self.guard.identify
        look_up, use_up = self.guard.look_up, self.guard.use_up

        def identify(sent: Mapping[str, list[str]], waited: Waited = ()) -> Identity | Wait:
            found = identify_sent(sent, waited)
            block = _acting_for(guard)
            if isinstance(found, Wait) or block is None:
                return found
            caller, via, app, accepted = found.caller, found.via, found.app or block.app, found.accepted
            if caller is None and block.caller is not None:
                caller = block.caller
                guard.authenticator.check_ambient(caller, sent)
                known = [each for each in (caller, caller.via) if each is not None]
                guard.authenticator.revocations.refuse(known, guard.clock())
                via, app = via or caller.via, app or caller.app
                accepted = guard.authenticator.trusted.audiences_of(caller.issuer)
            if caller is not None:
                caller = replace(caller, via=via, app=app)
            use_id = _ACTED if found.caller is None else found.use_id
            return found._replace(caller=caller, via=via, app=app, accepted=accepted, use_id=use_id)

        def look_up_here(
            of: str, caller: Caller, fact: str, waited: Iterable[Wait] | None = ()
        ) -> Container[str] | Wait | None:
            acting = _acting_for(guard)
            said = acting.looked_up.get(of) if acting is not None and _is_same(acting.caller, caller) else None
            return look_up(of, caller, fact, waited) if said is None else said

        def use_up_here(identity: Identity, request: str, waited: Waited = ()) -> Wait | None:
            return None if identity.use_id is _ACTED else use_up(identity, request, waited)

        own = {"identify": identify, "look_up": look_up_here, "use_up": use_up_here}
        self.before = {name: vars(guard)[name] for name in own if name in vars(guard)}
        vars(guard).update(own)

    def remove(self) -> bool:
        """Whether that was the last."""
        self.count -= 1
        if self.count:
            return False
        own = vars(self.guard)
        for name in ("identify", "look_up", "use_up"):
            del own[name]
        own.update(self.before)
        return True


_ACTED: Final = b"no token"
"""By what uses are counted where nobody sent a token: not at all."""

_HOOKS: dict[GuardCore, _Hook] = {}
"""The guards that have an open block."""
