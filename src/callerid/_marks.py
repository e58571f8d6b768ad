"""What ``allow()`` leaves on an endpoint, and the claim that it was decided.

A mark by itself protects nothing: a guard reads it when the endpoint's route is chosen, and decides. The claim is the
other half: a marked endpoint that runs although nobody decided raises, so that a rule is never silently unenforced.

This module is not under ``from __future__ import annotations``: frameworks resolve what it builds in other modules.
"""

import functools
import inspect
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Final, Protocol, TypeAlias, cast
from weakref import WeakKeyDictionary

from callerid.errors import UnguardedEndpointError
from callerid.guard import GuardCore, Requirement, log

__all__ = [
    "DECIDED",
    "Decided",
    "Mark",
    "claim",
    "layers_of",
    "mark_class",
    "mark_function",
    "marks_above",
    "marks_lost",
    "marks_on",
    "note_served",
    "unguarded",
    "unwrapped",
]

ATTRIBUTE: Final = "__callerid_marks__"


class Mark:
    """One ``allow()``: a requirement and the guard that judges it. Equal only to itself."""

    __slots__ = ("__weakref__", "guard", "requirement")

    def __init__(self, guard: GuardCore, requirement: Requirement) -> None:
        self.guard = guard
        self.requirement = requirement

    def __repr__(self) -> str:
        return f"<allow {self.requirement.rule!r}>"


class Decided(Protocol):
    """What a request's state must say for a claim: whether this mark was judged, and let in."""

    def has_decided(self, mark: Mark) -> bool:
        """Whether the mark was judged for the request that runs now."""
        ...


DECIDED: Final[ContextVar[Decided | None]] = ContextVar("callerid_decided", default=None)
"""Set where a guard hands over to an endpoint."""


def claim(mark: Mark, name: str, *_call: Any) -> None:
    """Raise `UnguardedEndpointError` unless the mark was decided for the request that runs now."""
    decided = DECIDED.get()
    if decided is None or not decided.has_decided(mark):
        raise unguarded(mark, name)


def unguarded(mark: Mark, name: str) -> UnguardedEndpointError:
    """The error for a marked endpoint that runs undecided: logged with the remedy, answered with 500."""
    error = UnguardedEndpointError(
        f"{name} is marked with {mark.requirement.rule!r}, but no guard decided about this call. Either its guard is "
        "not installed in the app that serves it (call guard.protect(app, default=...) on that one: an application "
        "that wraps a protected one, or takes its routes over, is not protected by that), or what serves does not show "
        "the mark (a decorator above it without functools.wraps), or the function was called by other code or in a "
        "context that was not copied (as run_in_executor does; use anyio.to_thread or asyncio.to_thread)"
    )
    log.warning("%s", error, extra={"callerid": {"outcome": "unguarded", "rule": str(mark.requirement.rule)}})
    return error


def marks_on(target: Any) -> tuple[Mark, ...]:
    """All marks on an endpoint, through partials, methods and decorators that keep ``__wrapped__``.

    Of an object these are the marks on its ``__call__``, too, and of a class those on its ``__init__``.
    """
    found: dict[Mark, None] = {}
    for layer in layers_of(target):
        found.update(dict.fromkeys(getattr(layer, ATTRIBUTE, ())))
    return tuple(found)


def marks_above(target: Any) -> tuple[Mark, ...]:
    """The marks on functions that were made of what serves: decorators above the route's own, which it does not serve.

    What is below the outermost mark of ``target`` is not looked at: it may be served with another mark elsewhere.
    """
    shown = frozenset(marks_on(target))
    found = dict.fromkeys(mark for layer in _above_marks(target) for mark in _known_of(_ABOVE, layer))
    return tuple(mark for mark in found if mark not in shown)


def marks_lost(target: Any) -> tuple[frozenset[Mark], frozenset[Mark]]:
    """The marks above what serves that no route serves: those of decorators on its definition, and the others.

    A decorator says it of the function, wherever that is served; ``guard.allow(rule)(function)`` says it of what that
    gives, and is lost only if nothing serves that (see `note_served`).
    """
    shown, decorators, others = frozenset(marks_on(target)), set[Mark](), set[Mark]()
    for layer in _above_marks(target):
        decorators.update(_known_of(_DECORATING, layer))
        others.update(set(_known_of(_ABOVE, layer)).difference(_known_of(_SERVED, layer)))
    return frozenset(decorators - shown), frozenset(others - shown)


def note_served(target: Any) -> None:
    """Remember which marks a function is served with, somewhere."""
    marks = marks_on(target)
    for layer in _made_of(target) if marks else ():
        _remember(_SERVED, layer, marks)


_Known: TypeAlias = WeakKeyDictionary[Any, tuple[Mark, ...]]

_ABOVE: Final[_Known] = WeakKeyDictionary()
"""For each function that something marked was made of: the marks."""

_DECORATING: Final[_Known] = WeakKeyDictionary()
"""Of these, the marks that were written as a decorator on the function's definition."""

_SERVED: Final[_Known] = WeakKeyDictionary()
"""Of these, the marks with which a route serves the function."""


def _known_of(known: _Known, layer: Any) -> tuple[Mark, ...]:
    try:
        return known.get(layer, ())
    except TypeError:  # few things that can be called cannot be referred to weakly
        return ()


def _remember(known: _Known, layer: Any, marks: Iterable[Mark]) -> None:
    with suppress(TypeError):
        known[layer] = tuple(dict.fromkeys((*known.get(layer, ()), *marks)))


def _above_marks(target: Any) -> Iterator[Any]:
    """What ``target`` was made of, down to its outermost mark."""
    for layer in _made_of(target):
        yield layer
        if getattr(layer, "__code__", None) in _CLAIMS:
            return


def unwrapped(target: Any) -> Any:
    """The innermost function behind partials and decorators."""
    return (target, *_layers(target))[-1]


def _layers(target: Any) -> Iterator[Any]:
    """What something is made of, itself first: the functions that wrappers wrap, the function of a method."""
    return _chain(target, lambda layer: _first(_wrapped(layer), getattr(layer, "__func__", None)))


def layers_of(target: Any) -> Iterator[Any]:
    """What a call of something runs, outermost first: wrappers, what they wrap, the function of a method or object."""
    return _chain(target, lambda layer: _first(_wrapped(layer), getattr(layer, "__func__", None), _call_of(layer)))


def _made_of(target: Any) -> Iterator[Any]:
    """The same by ``__wrapped__`` alone: partials, methods and objects may have a function in common."""
    return _chain(target, lambda layer: inspect.getattr_static(layer, "__wrapped__", None))


def _chain(target: Any, inwards: Callable[[Any], Any]) -> Iterator[Any]:
    seen: set[int] = set()
    while target is not None and id(target) not in seen:
        seen.add(id(target))
        yield target
        target = inwards(target)


def _first(*found: Any) -> Any:
    return next((each for each in found if each is not None), None)


def _wrapped(layer: Any) -> Any:
    if isinstance(layer, functools.partial | functools.partialmethod):
        return cast("Any", layer.func)
    return inspect.getattr_static(layer, "__wrapped__", None)


def _call_of(layer: Any) -> Any:
    found = layer.__init__ if isinstance(layer, type) else type(layer).__call__ if callable(layer) else None  # type: ignore[misc]
    return found if inspect.isfunction(found) else None


def mark_function(function: Callable[..., Any], mark: Mark, claimed: Callable[..., None] = claim) -> Callable[..., Any]:
    """The function behind a claim, with the same signature, annotations and globals; coroutine functions stay such.

    ``claimed(mark, name, function, args, kwargs)`` raises where the mark was not decided for this call. Everything
    else, generators too, is wrapped in a plain function: a failed claim is then a 500 and no broken stream.
    """
    innermost = unwrapped(function)
    wrapper = _async_claim if _is_coroutine_function(function) else _claim
    template = wrapper(function, mark, getattr(innermost, "__qualname__", repr(innermost)), claimed)
    # Frameworks resolve string annotations in the globals of what they are given: those must be the user's.
    made = types.FunctionType(
        template.__code__,
        getattr(innermost, "__globals__", template.__globals__),
        getattr(innermost, "__name__", "endpoint"),
        None,
        template.__closure__,
    )
    functools.update_wrapper(made, function)
    is_decorator = _is_being_defined(innermost)
    for layer in _made_of(function):
        _remember(_ABOVE, layer, (mark,))
        if is_decorator:
            _remember(_DECORATING, layer, (mark,))
    setattr(made, ATTRIBUTE, (*marks_on(function), mark))
    return made


def _is_being_defined(function: Any) -> bool:
    """Whether this runs in a decorator on the function's definition: a line of that calls, directly or not."""
    code = getattr(function, "__code__", None)
    if not isinstance(code, types.CodeType):
        return False
    last = max((line for *_, line in code.co_lines() if line is not None), default=0)
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_filename == code.co_filename and code.co_firstlineno <= frame.f_lineno <= last:
            return True
        frame = frame.f_back
    return False


def _is_coroutine_function(function: Any) -> bool:
    # What a call of it gives, as frameworks see it: a decorator may have made one kind of the other.
    while isinstance(function, functools.partial):
        function = cast("Any", function.func)
    return inspect.iscoroutinefunction(function)


# Only closure variables below: the code runs under the user's globals.
def _claim(function: Callable[..., Any], mark: Mark, name: str, claim: Callable[..., None]) -> Any:
    def endpoint(*args: Any, **kwargs: Any) -> Any:
        claim(mark, name, function, args, kwargs)
        return function(*args, **kwargs)

    return endpoint


def _async_claim(function: Callable[..., Any], mark: Mark, name: str, claim: Callable[..., None]) -> Any:
    async def endpoint(*args: Any, **kwargs: Any) -> Any:
        claim(mark, name, function, args, kwargs)
        return await function(*args, **kwargs)

    return endpoint


_CLAIMS: Final = frozenset(make(print, cast("Mark", None), "", claim).__code__ for make in (_claim, _async_claim))
"""The code of every function that `mark_function` makes, by which it is told from what wraps it."""


def mark_class(target: type, mark: Mark) -> type:
    """The class itself, whose instances cannot be made before the mark was decided; its subclasses inherit the mark."""
    original = target.__init__  # type: ignore[misc]

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        claim(mark, target.__qualname__)
        original(self, *args, **kwargs)

    target.__init__ = __init__  # type: ignore[misc]
    setattr(target, ATTRIBUTE, (*getattr(target, ATTRIBUTE, ()), mark))
    return target
