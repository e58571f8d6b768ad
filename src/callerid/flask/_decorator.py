"""``guard.allow(...)`` on view functions, view classes and blueprints."""

from __future__ import annotations

import functools
import inspect
from typing import Any, TypeVar, cast

from flask import Blueprint, Flask
from flask.views import View

from callerid._marks import ATTRIBUTE, Mark, mark_function, unguarded
from callerid.errors import ConfigurationError
from callerid.flask._current import claim, decision_now

__all__ = ["Allow", "Marks"]

T = TypeVar("T")


class Marks:
    """Counts the calls of ``allow`` in this process, by any guard: cached places are outdated when it has changed."""

    count = 0


class Allow:
    """What ``guard.allow(...)`` returns: a decorator for view functions and classes, and for blueprints."""

    def __init__(self, mark: Mark) -> None:
        self.mark = mark

    def __call__(self, target: T) -> T:
        """Mark a view function, a view class or a blueprint. Raises TypeError for other objects."""
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
            return mark_function(cast("Any", target), self.mark, claim)
        if isinstance(target, Flask):
            raise TypeError("an application is not marked, but protected: guard.protect(app, default=rule)")
        raise TypeError(
            f"guard.allow(...) marks view functions, view classes (View, MethodView) and blueprints, not {target!r}: "
            "for a callable object, mark its __call__"
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
            "register_blueprint",
            code="mark-not-served",
        ) from None
    functions = blueprint.before_request_funcs[None]
    functions.insert(0, functions.pop())
    setattr(blueprint, ATTRIBUTE, (*getattr(blueprint, ATTRIBUTE, ()), mark))
    return blueprint


def _mark_view_class(target: Any, mark: Mark) -> Any:
    """The class itself, whose views raise if the mark was not judged; its subclasses inherit the mark."""
    original = target.as_view.__func__

    @functools.wraps(original)
    def as_view(cls: Any, name: str, *arguments: Any, **options: Any) -> Any:
        return mark_function(original(cls, name, *arguments, **options), mark, claim)

    target.as_view = classmethod(as_view)
    setattr(target, ATTRIBUTE, (*getattr(target, ATTRIBUTE, ()), mark))
    return target
