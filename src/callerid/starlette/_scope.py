"""The caller in a request's scope: separate for each request, even where requests share a ``state``.

Scopes and their ``state`` are dictionaries that middleware copies, forwards and reuses, and that some servers share
between requests. So the guard judges and serves a copy of the scope, and stores the caller beside the shared state.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from enum import Enum
from typing import Any, Final

from starlette.authentication import AuthCredentials, UnauthenticatedUser
from starlette.types import ASGIApp, Receive, Scope, Send

from callerid.callers import Caller

__all__ = ["INTRODUCED", "RequestState", "StateMiddleware", "introduce", "publish"]

_CALLER: Final = "caller"


class _Unset(Enum):
    """Stands for a state without a ``caller`` entry, since ``None`` is a value of it."""

    UNSET = 0


_UNSET: Final = _Unset.UNSET


class RequestState(MutableMapping[str, Any]):
    """A view of a scope's ``state`` with its own ``caller``; all other entries are read from and written to the state.

    ``is_served`` is whether an endpoint is being served with it: then nobody but the endpoint changes it.
    """

    __slots__ = ("caller", "is_served", "shared")

    def __init__(
        self, shared: MutableMapping[str, Any], is_served: bool = False, caller: Caller | _Unset | None = _UNSET
    ) -> None:
        # By exact type: isinstance() of an abstract base class is slow.
        self.shared: MutableMapping[str, Any] = shared.shared if type(shared) is RequestState else shared
        self.is_served = is_served
        self.caller = caller

    def __getitem__(self, key: str) -> Any:
        return self.caller if key == _CALLER and self.caller is not _UNSET else self.shared[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if key == _CALLER:
            self.caller = value
        else:
            self.shared[key] = value

    def __delitem__(self, key: str) -> None:
        if key == _CALLER and self.caller is not _UNSET:
            self.caller = _UNSET
        else:
            del self.shared[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.copy())

    def __len__(self) -> int:
        return len(self.copy())

    def __repr__(self) -> str:
        return repr(self.copy())

    def copy(self) -> dict[str, Any]:
        """The entries as a new dictionary."""
        return dict(self.shared) if self.caller is _UNSET else {**self.shared, _CALLER: self.caller}


class StateMiddleware:
    """Outermost middleware of a protected application: gives each request a state of its own for the caller.

    ``protect`` is called again for the ``router`` where somebody has replaced its middleware, and the guard in it.
    """

    def __init__(self, app: ASGIApp, router: Any, protect: Callable[[Any], None]) -> None:
        self.app = app
        self._router, self._protect = router, protect
        self._protected = router.middleware_stack

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Call the application with a state of this request's own."""
        if self._router.middleware_stack is not self._protected:
            self._protect(self._router)
            self._protected = self._router.middleware_stack
        if scope["type"] != "lifespan":
            before = scope.get("state")
            state = RequestState({} if before is None else before)
            if type(before) is RequestState and before.is_served:
                # An endpoint calls the application again: its own scope must not change.
                scope = {**scope, "state": state}
            else:
                scope["state"] = state
        return self.app(scope, receive, send)


class _Credentials(AuthCredentials):
    """A class of our own, to tell our credentials from those that outer middleware sets."""

    def __init__(self, *scopes: str) -> None:
        self.scopes = [*scopes]


def introduce(caller: Caller | None, scope: Scope) -> None:
    """Set the caller (or ``None``) in the scope of the request that is about to be served."""
    before = scope.get("state")
    scope["state"] = RequestState({} if before is None else before, True, caller)
    # Starlette's own authentication protocol, unless an outer middleware has filled it.
    if "user" not in scope or isinstance(scope.get("auth"), _Credentials):
        scope["user"] = UnauthenticatedUser() if caller is None else caller
        scope["auth"] = _Credentials() if caller is None else _Credentials("authenticated")


INTRODUCED: Final = ("state", "user", "auth")
"""The entries of a scope that `introduce` sets."""


def publish(scope: Scope, step: Any, outer: Scope) -> None:
    """Set in an outer scope what middleware expects there after the router has run, such as the endpoint.

    ``step`` is the route that matched, if one did.
    """
    outer["router"] = scope["router"]
    if step is not None:
        step.publish(outer)
    state = scope.get("state")
    if type(state) is RequestState and state.is_served:
        outer["user"] = scope["user"]
        if "auth" in scope:
            outer["auth"] = scope["auth"]
        seen = outer.get("state")
        if type(seen) is RequestState:
            seen.caller = state.caller
