"""What a view is made of: its class, the method of it that serves a request, and the marks on all of these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from callerid._marks import ATTRIBUTE, Mark, layers_of, marks_on
from callerid.django._current import held
from callerid.paths import METHODS, WEBSOCKET

__all__ = [
    "ANY_METHOD",
    "ServedView",
    "ViewFacts",
    "has_own_options",
    "marks_of",
    "methods_of",
    "serving_of",
    "view_class_of",
]

ANY_METHOD: Final = frozenset(METHODS.values()) - {WEBSOCKET}

_OF_DJANGO: Final = frozenset({"django.views.generic.base", "rest_framework.views"})
"""The modules whose view classes answer OPTIONS by themselves."""


class _MadeView(NamedTuple):
    """How ``as_view()`` made a view: of which class, for which methods, and which of its methods serve them."""

    cls: Any
    names: tuple[str, ...]
    actions: Mapping[str, str] | None

    def handler(self, word: str) -> Any:
        """The method of the class that serves an HTTP method (in lower case), as Django finds it."""
        found = self._own(word)
        return self._own("get") if found is None and word == "head" else found

    def _own(self, word: str) -> Any:
        if word not in self.names:
            return None
        # Where a ViewSet has no action for it, a method of that name serves all the same.
        found = getattr(self.cls, (self.actions or {}).get(word, word), None)
        return getattr(found, "__func__", found)


def _made(view: Any) -> _MadeView | None:
    for layer in layers_of(view):
        held: Mapping[str, Any] = getattr(layer, "__dict__", {})
        cls = held.get("view_class", held.get("cls"))
        if isinstance(cls, type) and hasattr(cls, "http_method_names"):
            options: Mapping[str, Any] = held.get("view_initkwargs") or held.get("initkwargs") or {}
            names = options.get("http_method_names", getattr(cls, "http_method_names", ()))
            return _MadeView(cls, tuple(str(name).lower() for name in names), held.get("actions"))
    return None


def view_class_of(view: Any) -> Any:
    """The class of which ``as_view()`` made a view; else the view itself."""
    made = _made(view)
    return view if made is None else made.cls


class ViewFacts(NamedTuple):
    """What stays as it is of a view: how it was made, and the methods that decorators let through."""

    view: Any
    made: _MadeView | None
    allowed: frozenset[str] | None

    @classmethod
    def of(cls, view: Any) -> ViewFacts:
        """Read them: that takes longer than all else here."""
        return cls(view, _made(view), _allowed_by_decorators(view))


class ServedView(NamedTuple):
    """What serves a method: the view, and the method of its class, if it has one.

    ``endpoint``: something of the application is meant, and not an answer of the framework (405, automatic OPTIONS).
    """

    view: Any
    cls: Any
    handler: Any
    endpoint: bool


def serving_of(facts: ViewFacts, method: str) -> ServedView:
    """What serves a method at a view."""
    view, made, allowed = facts
    is_allowed = allowed is None or method in allowed
    if made is None:
        return ServedView(view, None, None, endpoint=is_allowed)
    word = method.lower()
    handler = made.handler(word)
    if _served_by(made):
        is_automatic = word == "options" and getattr(handler, "__module__", None) in _OF_DJANGO
        return ServedView(view, made.cls, handler, endpoint=is_allowed and handler is not None and not is_automatic)
    # A class that has no method for any: its dispatch answers by itself.
    return ServedView(view, made.cls, handler, endpoint=is_allowed)


def methods_of(view: Any) -> frozenset[str] | None:
    """The HTTP methods that a view serves; ``None`` for one that says it nowhere."""
    made, allowed = _made(view), _allowed_by_decorators(view)
    served = None if made is None else _served_by(made)
    if made is None or not served:
        return allowed
    own = {"options"} if _has_own_options(made) else set[str]()
    found = frozenset(word.upper() for word in served | own)
    return found if allowed is None else found & allowed


def has_own_options(view: Any) -> bool:
    """Whether a view class answers OPTIONS by a method of its own."""
    made = _made(view)
    return made is not None and _has_own_options(made)


def _has_own_options(made: _MadeView) -> bool:
    options = made.handler("options")
    return options is not None and getattr(options, "__module__", None) not in _OF_DJANGO


def _allowed_by_decorators(view: Any) -> frozenset[str] | None:
    """The methods that ``require_http_methods`` and its like let through to a view; ``None`` where there is none."""
    found: frozenset[str] | None = None
    for layer in layers_of(view):
        if getattr(layer, "__globals__", {}).get("__name__") == "django.views.decorators.http":
            methods = _cell(layer, "request_method_list")
            if methods is not None:
                found = frozenset(methods) if found is None else found & frozenset(methods)
    return found


def _served_by(made: _MadeView) -> frozenset[str]:
    return frozenset(word for word in (*made.names, "head") if word != "options" and made.handler(word) is not None)


def marks_of(serving: ServedView) -> tuple[Mark, ...]:
    """All marks on what serves: on the view, its class and its mixins, ``dispatch`` and the method."""
    found = dict.fromkeys(marks_on(serving.view))
    if serving.cls is not None:
        for each in serving.cls.__mro__:
            found.update(dict.fromkeys(held(each).get(ATTRIBUTE, ())))
        found.update(dict.fromkeys(marks_on(getattr(serving.cls, "dispatch", None))))
    for handler in (serving.handler, _inside(serving.handler)):
        found.update(dict.fromkeys(marks_on(handler)))
    return tuple(found)


def _inside(handler: Any) -> Any:
    """The function behind a method that ``@api_view`` of Django REST framework made."""
    if getattr(handler, "__module__", None) != "rest_framework.decorators":
        return None
    return _cell(handler, "func")


def _cell(function: Any, wanted: str) -> Any:
    """What a function made by another one holds of it, by the name there."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return next((cell.cell_contents for name, cell in cells if name == wanted), None)
