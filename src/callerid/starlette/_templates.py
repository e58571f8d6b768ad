"""The path of a route as a template: what path tables and messages call it by, and its parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.convertors import FloatConvertor, IntegerConvertor, StringConvertor, UUIDConvertor
from starlette.routing import Host, Mount

__all__ = ["joined", "parameters_of", "path_of", "rest_prefix", "template_of"]


def template_of(route: Any) -> str:
    if isinstance(route, Mount):
        return route.path_format.removesuffix("/{path}")
    if isinstance(route, Host):
        return route.host_format
    return getattr(route, "path_format", None) or getattr(route, "path", None) or f"({type(route).__name__})"


def joined(templates: Iterable[str]) -> str:
    """The templates on the way to a route as one. Hosts come first, wherever they are asked for on the way."""
    hosts, path = list[str](), ""
    for each in templates:
        if each.startswith("("):
            path += f"/{each}" if path or hosts else each
        elif each and not each.startswith("/"):
            hosts.append(each)
        else:
            path += each
    return (hosts[0] if len(hosts) == 1 else f"({' and '.join(hosts)})" if hosts else "") + path


def parameters_of(route: Any) -> tuple[tuple[str, str], ...]:
    convertors: Mapping[str, Any] = getattr(route, "param_convertors", None) or {}
    kinds = {name: type(convertor).__name__ for name, convertor in convertors.items()}
    if isinstance(route, Mount):
        kinds.pop("path", None)
    if isinstance(route, Host):
        kinds = dict.fromkeys(kinds, "host")
    return tuple(kinds.items())


def path_of(route: Any) -> str:
    """The path template; empty for a route without one."""
    template = template_of(route)
    return "" if isinstance(route, Host) or not template.startswith("/") else template


def rest_prefix(route: Any) -> str | None:
    """The path before the last parameter, if that parameter matches the rest of the path, slashes included."""
    path = path_of(route)
    before, _, last = path.rpartition("/")
    convertors: Mapping[str, Any] = getattr(route, "param_convertors", None) or {}
    convertor = convertors.get(last[1:-1]) if last.startswith("{") and last.endswith("}") else None
    return None if convertor is None or isinstance(convertor, _WITHIN_A_SEGMENT) else before


_WITHIN_A_SEGMENT = (StringConvertor, IntegerConvertor, FloatConvertor, UUIDConvertor)
