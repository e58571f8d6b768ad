"""The decision about a request, and the claims that it was made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, cast

from asgiref import sync

from callerid._marks import DECIDED, Mark, unguarded
from callerid.callers import Caller
from callerid.errors import UnguardedEndpointError
from callerid.guard import log

__all__ = ["ATTRIBUTE", "ViewAdmission", "claim", "held", "is_async", "let_in", "undecided"]

is_async: Callable[[Any], bool] = cast("Any", sync).iscoroutinefunction
"""Whether a call gives a coroutine, as Django sees it: views of classes are told by a mark."""


def held(thing: Any) -> dict[str, Any]:
    """The attributes that something has of its own."""
    found: dict[str, Any] = thing.__dict__
    return found


ATTRIBUTE: Final = "_callerid_admission"
"""The request's attribute with the decision that it was let in."""


@dataclass(slots=True, eq=False)
class ViewAdmission:
    """The decision that a request is let in: to which view, under which marks, with which caller.

    ``match`` is Django's ``ResolverMatch``, or ``None`` where ``error`` is what the resolver raised instead.
    ``arguments`` are the path parameters that rules compared.
    """

    match: Any
    error: Exception | None
    method: str
    arguments: tuple[tuple[str, Any], ...]
    marks: frozenset[Mark]
    route: str
    caller: Caller | None
    is_served: bool = False
    """Set once Django has asked which view serves."""

    def has_decided(self, mark: Mark) -> bool:
        """Whether the mark was judged, and let the request in."""
        return mark in self.marks

    def served(self) -> Any:
        """What Django is to serve: the match that was judged. Raises what its resolver raised."""
        self.is_served = True
        error, self.error = self.error, None
        if error is None:
            return self.match
        try:
            raise error
        finally:
            del error  # the frames of its traceback would refer to it

    def check(self, view: Any, request: Any, kwargs: Mapping[str, Any]) -> None:
        """Raise `UnguardedEndpointError` where not what was judged is about to be served."""
        if self.match is None or view is not self.match.func:
            raise self.changed("the view was")
        if request.method != self.method:
            raise self.changed("the method was")
        self.check_arguments(kwargs)

    def check_arguments(self, given: Mapping[str, Any]) -> None:
        """Raise `UnguardedEndpointError` where one of these path parameters differs from what was judged."""
        for name, judged in self.arguments:
            # A missing one was taken out by a decorator above, after it was judged.
            if given.get(name, judged) != judged:
                raise self.changed(f"the path parameter {name!r} was")

    def changed(self, what: str) -> UnguardedEndpointError:
        """The error for something that changed after it was judged."""
        return undecided(
            f"{self.route}: {what} changed after the guard had decided. Change it before: in middleware, whose "
            "process_view runs too late, or by putting guard.allow(...) above the decorator that changes it"
        )


def let_in(request: Any, admission: ViewAdmission) -> None:
    """Let a request in: its method, which was judged, cannot be changed from now on."""
    held(request)[ATTRIBUTE] = admission
    request.__class__ = _judged(cast("Any", type)(request))


_KIND: Final = "_callerid_judged"


@lru_cache
def _judged(kind: type[Any]) -> type[Any]:
    """A subclass of the request's class whose method cannot be set: view classes dispatch by it."""
    if hasattr(kind, _KIND):
        return kind

    def __setattr__(self: Any, name: str, value: Any) -> None:  # noqa: N807
        admission: ViewAdmission | None = held(self).get(ATTRIBUTE) if name == "method" else None
        if admission is not None and value != admission.method:
            raise admission.changed("request.method was")
        super(made, self).__setattr__(name, value)

    members = {"__setattr__": __setattr__, "__module__": kind.__module__, "__doc__": kind.__doc__, _KIND: True}
    made: type[Any] = type(kind.__name__, (kind,), members)
    return made


def claim(
    mark: Mark, name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> None:
    """Raise `UnguardedEndpointError` unless the mark was judged for the view that runs now.

    It is raised, too, where the function is called with another path parameter than was judged.
    """
    admission = DECIDED.get()
    if not isinstance(admission, ViewAdmission) or not admission.has_decided(mark):
        raise unguarded(mark, name)
    if admission.arguments:
        # Arguments by position have other names than those that are there by name.
        is_named = all(name in kwargs for name, _ in admission.arguments)
        admission.check_arguments(kwargs if is_named else _given(function, args, kwargs))


def _given(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    with suppress(TypeError, ValueError):  # the call will raise this itself
        return {**inspect.signature(function).bind_partial(*args, **kwargs).arguments, **kwargs}
    return kwargs


def undecided(message: str) -> UnguardedEndpointError:
    """The error for something that would be served undecided; it is logged."""
    log.warning("%s", message, extra={"callerid": {"outcome": "unguarded"}})
    return UnguardedEndpointError(message)
