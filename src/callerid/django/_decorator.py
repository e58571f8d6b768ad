"""``guard.allow(...)`` on views of every kind, and on what ``include()`` gives."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from django.urls.resolvers import URLPattern, URLResolver

from callerid._marks import ATTRIBUTE, Mark, mark_function
from callerid.django._current import claim, held

__all__ = ["Allow"]

T = TypeVar("T")


class Allow:
    """What ``guard.allow(...)`` returns: a decorator for view functions and classes, and for parts of a URLconf."""

    def __init__(self, mark: Mark) -> None:
        self.mark = mark

    def __call__(self, target: T) -> T:
        """Mark a view function or class, a method of one, or a part of a URLconf. Raises TypeError for other objects.

        Parts of a URLconf are ``path(...)``, ``include(...)``, ``admin.site.urls`` and lists of such: all views in them
        are marked.
        """
        return cast("T", self._marked(target))

    def __repr__(self) -> str:
        return f"allow({self.mark.requirement.rule!r})"

    def _marked(self, target: Any) -> Any:
        size = len(cast("Any", target)) if isinstance(target, tuple) else 0
        if isinstance(target, URLPattern | URLResolver):
            return _marked_pattern(target, self.mark)
        if isinstance(target, list):
            return _MarkedPatterns(target, self.mark)
        if size == _INCLUDED:
            return _MarkedUrls(target[0], self.mark), *target[1:]
        if isinstance(target, type):
            return _mark_class(target, self.mark)
        if isinstance(target, staticmethod | classmethod | functools.partialmethod):
            raise TypeError("mark the function, then make it a static or class method: put @guard.allow(...) below")
        if inspect.isroutine(cast("Any", target)) or isinstance(target, functools.partial):
            return mark_function(cast("Any", target), self.mark, claim)
        raise TypeError(
            "guard.allow(...) marks view functions and classes, path(...), include(...) and lists of them, not "
            f"{target!r}: for a callable object, mark its class or its __call__"
        )


_INCLUDED = 3
"""``include(...)`` and ``admin.site.urls`` are the patterns, ``app_name`` and ``namespace``."""


class _MarkedPatterns(Sequence[Any]):
    """Patterns whose views are marked. Those that are added to the original later are in it, too."""

    def __init__(self, original: Any, mark: Mark) -> None:
        self._original, self._mark = original, mark
        self._made: dict[int, tuple[Any, Any]] = {}

    def __len__(self) -> int:
        return len(self._original)

    def __getitem__(self, at: Any) -> Any:
        found = self._original[at]
        return [self._one(each) for each in found] if isinstance(at, slice) else self._one(found)

    def __add__(self, others: Any) -> list[Any]:
        return [*self, *others]

    def __radd__(self, others: Any) -> list[Any]:
        return [*others, *self]

    def _one(self, pattern: Any) -> Any:
        known = self._made.get(id(pattern))
        if known is None or known[0] is not pattern:
            known = self._made[id(pattern)] = pattern, _marked_pattern(pattern, self._mark)
        return known[1]


class _MarkedUrls:
    """An included URLconf whose views are marked, in place of the module: it has all that the module has."""

    def __init__(self, included: Any, mark: Mark) -> None:
        self._included = included
        self._mark = mark

    @functools.cached_property
    def urlpatterns(self) -> _MarkedPatterns:
        return _MarkedPatterns(getattr(self._included, "urlpatterns", self._included), self._mark)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._included, name)


def _marked_pattern(pattern: Any, mark: Mark) -> Any:
    """A pattern of which every view is marked."""
    if isinstance(pattern, URLPattern):
        entry: Any = pattern
        callback = mark_function(entry.callback, mark, claim)
        return type(entry)(entry.pattern, callback, entry.default_args, entry.name)
    if isinstance(pattern, URLResolver):
        within: Any = pattern
        marked = _MarkedUrls(within.urlconf_module, mark)
        return type(within)(within.pattern, marked, within.default_kwargs, within.app_name, within.namespace)
    raise TypeError(f"guard.allow(...) marks path(...), re_path(...) and include(...), not {pattern!r}")


def _mark_class(target: Any, mark: Mark) -> Any:
    """The class itself, whose views raise if the mark was not judged; its subclasses inherit the mark.

    A class without ``as_view`` is a mixin of view classes; one whose objects are views has ``__call__``.
    """
    if not hasattr(target, "as_view") and any("__call__" in vars(each) for each in target.__mro__):
        target.__call__ = mark_function(target.__call__, mark, claim)
        return target
    own: Callable[..., Any] | None = getattr(held(target).get("as_view"), "__func__", None)

    def as_view(cls: Any, *arguments: Any, **options: Any) -> Any:
        parent = cast("Any", super(target, cls))
        made: Any = own(cls, *arguments, **options) if own else parent.as_view(*arguments, **options)
        return mark_function(made, mark, claim)

    target.as_view = classmethod(as_view)
    setattr(target, ATTRIBUTE, (*held(target).get(ATTRIBUTE, ()), mark))
    return target
