"""The decision about the current request, and its caller."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast

from flask import Flask, Request, current_app, has_request_context, request
from werkzeug.local import LocalProxy

from callerid._marks import Mark, unguarded
from callerid.callers import Caller
from callerid.errors import CalleridError, ConfigurationError, UnguardedEndpointError
from callerid.guard import log

__all__ = [
    "ATTRIBUTE",
    "SERVING",
    "Admission",
    "NoCallerError",
    "Serving",
    "caller",
    "claim",
    "current_caller",
    "decision_now",
    "let_in",
    "request_now",
    "tell_of_no_guard",
    "undecided_dispatch",
]

ATTRIBUTE: Final = "_callerid_decision"
"""The request's attribute with the decision. (Not in the application context, which may outlive a request.)"""

SERVING: Final = "_callerid_serving"
"""The request's attribute with the decision while the guard's dispatch runs. (A context variable is slower.)"""


class Serving(NamedTuple):
    """What Flask is about to serve: the view of a rule for a method, or a routing exception."""

    rule: Any
    exception: Any
    view: Any
    method: str

    @classmethod
    def of(cls, app: Flask, asked: Request) -> Serving:
        """What Flask would serve for this request now."""
        rule = asked.url_rule
        view = None if rule is None else app.view_functions.get(rule.endpoint)
        return cls(rule, asked.routing_exception, view, asked.method)


@dataclass(slots=True, eq=False)
class Admission:
    """The decision that a request is admitted: to which view, under which marks, with which caller.

    ``arguments`` are the path parameters that rules compared. Where the place is ``public`` no credential is read, and
    all requests to it share one decision.
    """

    serving: Serving
    arguments: tuple[tuple[str, Any], ...]
    marks: frozenset[Mark]
    template: str
    public: bool
    caller: Caller | None

    @property
    def route(self) -> str:
        """The name of the place in the log."""
        return f"{self.serving.method} {self.template}"

    def check(self, app: Flask, asked: Request) -> None:
        """Raise `UnguardedEndpointError` where the view or the path parameters are not those that were judged."""
        rule, _, view, _ = self.serving
        if rule is not None and app.view_functions.get(rule.endpoint) is not view:
            raise self.changed("the view was")
        self.check_arguments(asked.view_args or {})

    def check_arguments(self, given: Mapping[str, Any]) -> None:
        """Raise `UnguardedEndpointError` where one of these path parameters differs from what was judged."""
        for name, judged in self.arguments:
            # A missing one was removed, as url_value_preprocessor functions do, after it was judged.
            if given.get(name, judged) != judged:
                raise self.changed(f"the path parameter {name!r} was")

    def changed(self, what: str) -> UnguardedEndpointError:
        """The error for something that changed after it was judged."""
        return _undecided(
            f"{self.route}: {what} changed after the guard had decided. Change it before (in WSGI middleware around "
            "the application), or put guard.allow(...) above the decorator that changes it"
        )


def let_in(asked: Request, decision: Admission) -> None:
    """Admit a request: its method and URL rule, which were judged, cannot be changed from now on."""
    vars(asked)[ATTRIBUTE] = decision
    kind: Any = type(asked)
    asked.__class__ = _judged(kind)


_JUDGED: Final = frozenset({"method", "url_rule", "routing_exception"})


@lru_cache
def _judged(kind: type[Request]) -> type[Request]:
    """A subclass of the request's class whose method and rule cannot be set: view classes dispatch by the method."""
    if hasattr(kind, _KIND):
        return kind

    def __setattr__(self: Any, name: str, value: Any) -> None:  # noqa: N807
        if name in _JUDGED:
            decision: Admission | None = getattr(self, ATTRIBUTE, None)
            held = getattr(self, name)
            # By identity: werkzeug compares rules without their methods.
            is_same = held is value or (name == "method" and held == value)
            if decision is not None and not is_same:
                raise decision.changed(f"request.{name} was")
        super(made, self).__setattr__(name, value)

    members = {"__setattr__": __setattr__, "__module__": kind.__module__, "__doc__": kind.__doc__, _KIND: True}
    made: type[Request] = type(kind.__name__, (kind,), members)
    return made


_KIND: Final = "_callerid_judged"


request_now: Callable[[], Request] = cast("Any", request)._get_current_object  # noqa: SLF001 - werkzeug's documented way
"""The request itself, without its proxy. Raises RuntimeError where there is none."""


def decision_now() -> Admission | None:
    """The decision about the current request; ``None`` if it was not admitted, or there is no request."""
    try:
        return getattr(request_now(), ATTRIBUTE, None)
    except RuntimeError:
        return None


def claim(
    mark: Mark, name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> None:
    """Raise `UnguardedEndpointError` unless the mark was judged for the request that is being dispatched.

    It is raised, too, where the function is called with another path parameter than was judged.
    """
    decision = decision_now()
    if decision is None or mark not in decision.marks or not _is_served(decision):
        raise unguarded(mark, name)
    if decision.arguments:
        decision.check_arguments(_given(function, args, kwargs) if args else kwargs)


def _is_served(decision: Admission) -> bool:
    return vars(request_now()).get(SERVING) is decision


def _given(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    with suppress(TypeError, ValueError):  # the call will raise this itself
        return {**inspect.signature(function).bind_partial(*args, **kwargs).arguments, **kwargs}
    return kwargs


def undecided_dispatch() -> UnguardedEndpointError:
    """The error for a dispatch without a decision."""
    return _undecided(
        "this request is dispatched although the guard did not let it in: app.preprocess_request() was not called, "
        "or its answer was not given"
    )


def tell_of_no_guard() -> None:
    """Log, once, that an application without a guard serves a blueprint that a protected application has, too."""
    app, name = cast("Any", current_app)._get_current_object(), request.blueprint  # noqa: SLF001 - as above
    told: set[str | None] = app.extensions.setdefault(_TOLD, set())
    if decision_now() is None and name not in told:
        told.add(name)
        log.warning(
            "the blueprint %r is a part of an application that a guard protects, and the application %r serves it "
            "without one: views of it without guard.allow(...) are open to everybody there. Call "
            "guard.protect(app, default=...) on every application that you serve",
            name,
            app.name,
            extra={"callerid": {"outcome": "unguarded"}},
        )


_TOLD: Final = "callerid.unguarded"


def _undecided(message: str) -> UnguardedEndpointError:
    log.warning("%s", message, extra={"callerid": {"outcome": "unguarded"}})
    return UnguardedEndpointError(message)


class NoCallerError(CalleridError, RuntimeError):
    """``caller`` was used without a decision: outside a request, or in an application without a guard.

    It is a `RuntimeError`, as for Flask's own proxies.
    """


def _the_caller() -> Caller | None:
    decision = decision_now()
    if decision is None:
        where = "for this request no guard has let anybody in" if has_request_context() else "there is no request here"
        raise NoCallerError(
            f"there is no caller: {where}. Use caller in a view of an application that a guard protects "
            "(guard.protect(app, default=...)), or current_caller(), which is None where nobody is known; in tests, "
            "send a request with app.test_client(), or call app.preprocess_request() in a test_request_context"
        )
    if decision.public:
        raise ConfigurationError(
            f"{decision.route} is Public(): no credential is read there, so there is no caller. For a caller who may "
            "be nobody write guard.allow(Public() | rule); current_caller() is None here",
            code="caller-of-a-public-route",
        )
    return decision.caller


caller: Caller = LocalProxy(_the_caller)  # type: ignore[assignment]
"""Who is calling, as ``flask.request`` is the request: a proxy to the verified `callerid.Caller`.

Under a rule that can hold without a caller, such as ``Public() | FirebaseUser()``, ``if caller:`` says whether there is
one. It raises `NoCallerError` outside an admitted request, and `ConfigurationError` where the whole rule is `Public`.
Pass ``str(caller)`` or `current_caller()` to code that keeps it longer than the request.
"""


def current_caller() -> Caller | None:
    """The caller itself, or ``None`` where there is none; it never raises."""
    decision = decision_now()
    return None if decision is None else decision.caller
