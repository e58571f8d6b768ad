"""``guard.allow(...)`` on view functions, view classes and blueprints."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

from flask import Blueprint, Flask
from flask.views import View

from callerid.errors import ConfigurationError
from callerid.flask.current import claim, decision_now
from callerid.marks import ATTRIBUTE, Mark, mark_function, marks_on, unguarded

__all__ = ["Allow", "Marks"]

T = TypeVar("T")


class Marks:
    """The marks that one guard has put on something: counted, since what was read before another came is outdated.

    A decorator *above* the route's decorator marks a function that nobody serves. What it was meant for is found by
    the function that both have in common.
    """

    count = 0
    """How many marks there are in this process, of all guards."""

    def __init__(self) -> None:
        self._made: dict[int, list[tuple[Any, Callable[..., Any]]]] = {}

    def note(self, made: Callable[..., Any]) -> None:
        """Note a marked function, by every function that it is made of."""
        for layer in _layers(made):
            self._made.setdefault(id(layer), []).append((layer, made))

    def meant_for(self, view: Any, served: Callable[[], Iterator[Any]]) -> tuple[Mark, ...]:
        """The marks that were put on a function after it had become a view; ``served`` gives all views.

        A function that is served with its mark at one place may be left without it at another.
        """
        made = [made for layer, made in self._made.get(id(view), ()) if layer is view]
        if not made:
            return ()
        at_their_place = {id(layer) for each in served() for layer in (each, *_layers(each))}
        return tuple(mark for each in made if id(each) not in at_their_place for mark in marks_on(each))


def _layers(function: Any) -> Iterator[Any]:
    """What a function is made of, itself excepted."""
    seen = {id(function)}
    while (function := _within(function)) is not None and id(function) not in seen:
        seen.add(id(function))
        yield function


def _within(function: Any) -> Any:
    if isinstance(function, functools.partial):
        return cast("Any", function.func)
    return inspect.getattr_static(function, "__wrapped__", None) or getattr(function, "__func__", None)


class Allow:
    """What ``guard.allow(...)`` gives: a decorator for view functions and classes, and for blueprints."""

    def __init__(self, mark: Mark, marks: Marks) -> None:
        self.mark = mark
        self._marks = marks

    def __call__(self, target: T) -> T:
        """Mark a view function, a view class or a blueprint. Raises TypeError for what no rule can be tied to."""
        marked = self._marked(target)
        Marks.count += 1
        return cast("T", marked)

    def __repr__(self) -> str:
        return f"allow({self.mark.requirement.rule!r})"

    def _marked(self, target: Any) -> Any:
        if isinstance(target, Blueprint):
            return _mark_blueprint(target, self.mark)
        if isinstance(target, type) and issubclass(target, View):
            return _mark_view_class(target, self.mark)
        if isinstance(target, staticmethod | classmethod | functools.partialmethod):
            raise TypeError("mark the function, then make it a static or class method: put @guard.allow(...) below")
        if inspect.isroutine(cast("Any", target)) or isinstance(target, functools.partial):
            made = mark_function(cast("Any", target), self.mark, claim)
            self._marks.note(made)
            return made
        if isinstance(target, Flask):
            raise TypeError("an application is not marked, but protected: guard.protect(app, default=rule)")
        raise TypeError(
            f"guard.allow(...) marks view functions, view classes (View, MethodView) and blueprints, not {target!r}: "
            "for a callable object, mark a function that calls it"
        )


def _mark_blueprint(blueprint: Blueprint, mark: Mark) -> Blueprint:
    def claimed() -> None:
        decision = decision_now()
        if decision is None or mark not in decision.marks:
            raise unguarded(mark, f"the blueprint {blueprint.name!r}")

    try:
        blueprint.before_request(claimed)
    except AssertionError:
        raise ConfigurationError(
            f"the blueprint {blueprint.name!r} is registered already: call guard.allow(rule)(blueprint) before "
            "register_blueprint"
        ) from None
    functions = blueprint.before_request_funcs[None]
    functions.insert(0, functions.pop())
    setattr(blueprint, ATTRIBUTE, (*getattr(blueprint, ATTRIBUTE, ()), mark))
    return blueprint


def _mark_view_class(target: Any, mark: Mark) -> Any:
    """The class itself, whose views claim the mark; its subclasses inherit it."""
    original = target.as_view.__func__

    @functools.wraps(original)
    def as_view(cls: Any, name: str, *arguments: Any, **options: Any) -> Any:
        return mark_function(original(cls, name, *arguments, **options), mark, claim)

    target.as_view = classmethod(as_view)
    setattr(target, ATTRIBUTE, (*getattr(target, ATTRIBUTE, ()), mark))
    return target
