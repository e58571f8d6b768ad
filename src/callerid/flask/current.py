"""What was decided about the request that runs now, and who is calling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, cast

from flask import Flask, Request, has_request_context, request
from werkzeug.local import LocalProxy

from callerid.callers import Caller
from callerid.errors import CalleridError, ConfigurationError, UnguardedEndpointError
from callerid.guard import log
from callerid.marks import Mark, unguarded

__all__ = [
    "ATTRIBUTE",
    "SERVING",
    "Decision",
    "NoCallerError",
    "Serving",
    "caller",
    "claim",
    "current_caller",
    "decision_now",
    "request_now",
    "undecided_dispatch",
]

ATTRIBUTE: Final = "_callerid_decision"
"""Where the decision rides: on the request itself, since an application context outlives requests made inside it."""

SERVING: Final = "_callerid_serving"
"""Where the same decision is while the guard's dispatch runs. (Not in a context variable, which costs more.)"""


class Serving(NamedTuple):
    """What Flask is about to serve: a view of a rule for a method, or an exception in their place."""

    rule: Any
    exception: Any
    view: Any
    method: str

    @classmethod
    def of(cls, app: Flask, asked: Request) -> Serving:
        """As Flask would serve this request now."""
        rule = asked.url_rule
        view = None if rule is None else app.view_functions.get(rule.endpoint)
        return cls(rule, asked.routing_exception, view, asked.method)


@dataclass(slots=True, eq=False)
class Decision:
    """That a request was let in: to what, under which marks and as whom.

    ``arguments`` are the path parameters that were looked at. Where the place is ``public`` nobody's identity was read:
    what is served there is let in by one decision, made once and never changed.
    """

    serving: Serving
    arguments: tuple[tuple[str, Any], ...]
    marks: frozenset[Mark]
    template: str
    public: bool
    caller: Caller | None

    @property
    def route(self) -> str:
        """The place by the name that it has in the log."""
        return f"{self.serving.method} {self.template}"

    def check(self, app: Flask, asked: Request) -> None:
        """Raise `UnguardedEndpointError` where something else than what was judged is about to be served."""
        rule, exception, view, method = self.serving
        if (
            asked.url_rule is not rule
            or asked.routing_exception is not exception
            or (rule is not None and app.view_functions.get(rule.endpoint) is not view)
            or asked.method != method
        ):
            raise _undecided(f"{self.route}: the rule, the view or the method was changed after the guard had decided")
        for name, judged in self.arguments:
            # One that was taken out (as url_value_preprocessor functions do) was seen as it was judged.
            if asked.view_args and asked.view_args.get(name, judged) != judged:
                raise _undecided(f"{self.route}: the path parameter {name!r} was changed after the guard had decided")


request_now: Callable[[], Request] = cast("Any", request)._get_current_object  # noqa: SLF001 - werkzeug's documented way
"""The request itself, without its proxy. Raises RuntimeError where there is none."""


def decision_now() -> Decision | None:
    """What was decided about the request that runs now; ``None`` if nobody was let in, or there is no request."""
    try:
        return getattr(request_now(), ATTRIBUTE, None)
    except RuntimeError:
        return None


def claim(mark: Mark, name: str) -> None:
    """Raise `UnguardedEndpointError` unless the mark was decided for the request that is dispatched now."""
    decision = decision_now()
    if decision is None or mark not in decision.marks or getattr(request_now(), SERVING, None) is not decision:
        raise unguarded(mark, name)


def undecided_dispatch() -> UnguardedEndpointError:
    """The error for a dispatch that the guard was not asked about."""
    return _undecided(
        "this request is dispatched although the guard did not let it in: app.preprocess_request() was not called, "
        "or its answer was not given"
    )


def _undecided(message: str) -> UnguardedEndpointError:
    log.warning("%s", message, extra={"callerid": {"outcome": "unguarded"}})
    return UnguardedEndpointError(message)


class NoCallerError(CalleridError, RuntimeError):
    """``caller`` was used where no guard has let anybody in: outside a request, or in an application without one.

    As with Flask's own proxies this is a `RuntimeError`.
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
            "be nobody write guard.allow(Public() | rule); current_caller() is None here"
        )
    return decision.caller


caller: Caller = LocalProxy(_the_caller)  # type: ignore[assignment]
"""Who is calling, as ``flask.request`` is the request: a proxy to the verified `callerid.Caller`.

Under a rule that can hold for nobody, such as ``Public() | FirebaseUser()``, ``if caller:`` tells whether somebody is
known. Where there is none to give, it raises: `NoCallerError` outside a request that was let in, `ConfigurationError`
where the whole rule is `Public`. Give ``str(caller)`` or `current_caller()` to whatever keeps it longer than a request.
"""


def current_caller() -> Caller | None:
    """The caller itself, or ``None`` wherever nobody is known; it never raises."""
    decision = decision_now()
    return None if decision is None else decision.caller
