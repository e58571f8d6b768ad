"""Prefixes that a wrapped application cuts off paths by itself, after the path table has read them.

FastAPI's ``root_path`` takes the place of the server's (``FastAPI.__call__``), Django's ``FORCE_SCRIPT_NAME`` likewise
(``ASGIRequest.__init__``). Litestar cuts at the path of a mounted application whether or not a segment ends there
(``parse_path_to_route``).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final

from callerid._applications import is_a, reached
from callerid.asgi._exchange import Scope
from callerid.errors import ConfigurationError
from callerid.paths import Readings, ambiguous, checked_root, prefix_of, readings_of

__all__ = ["Prefixes", "below_mount"]

_DJANGO: Final = "django.core.handlers.asgi"


class Prefixes:
    """How the parts of one application read paths.

    ``root_path`` is where it is mounted, where the server does not say so. Raises `ConfigurationError` for what is no
    prefix, and for a mounted FastAPI application whose own ``root_path`` is not where it is mounted.
    """

    def __init__(self, app: Any, root_path: object = None) -> None:
        self._app, self._root = app, checked_root(root_path)
        self.look()

    def look(self) -> None:
        """Look for applications with settings of their own: at construction, and when all of them are built."""
        found = tuple(reached(self._app))
        self._starlettes: tuple[Any, ...] = tuple(
            each for each in found if is_a(each, "starlette.applications", "Starlette")
        )
        self._routers: tuple[Any, ...] = tuple(each for each in found if is_a(each, "starlette.routing", "Router"))
        self._mounts = tuple(
            path for each in found if is_a(each, "litestar.app", "Litestar") for path in _mounted_in(each)
        )
        self._is_plain = not (self._root or self._starlettes or self._mounts)
        settings = [_setting(each) for each in self._starlettes]
        above = next(filter(None, settings), "")
        for router in self._routers:
            _check_mounted(router, above, ())

    def readings(self, scope: Scope) -> Readings:
        """All that the path of a request may be taken for."""
        server: str = scope.get("root_path") or ""
        if self._is_plain and not server and _DJANGO not in sys.modules:
            return Readings((scope["path"],), (), (scope.get("raw_path"),))
        root = server if server not in ("", "/") else self._root
        settings = [self._root, _django_setting(), *[_setting(each) for each in self._starlettes]]
        own = [prefix for prefix in dict.fromkeys(settings) if prefix not in ("", root)]
        found = _readings_in(scope, root, own)
        if found.trouble is None and (root or own or self._mounts):
            return found._replace(trouble=self._trouble(scope, found, (root, *own)))
        return found

    def _trouble(self, scope: Scope, found: Readings, roots: Iterable[str]) -> str | None:
        path: str = scope["path"]
        for root in roots:
            if root not in ("", "/") and not path.startswith(root) and self._is_below_mount(scope, root):
                return "the path lacks root_path and is below a mount, whose application reads it as a whole"
        return _mount_trouble(found, self._mounts)

    def _is_below_mount(self, scope: Scope, root: str) -> bool:
        # Starlette's get_route_path cuts root_path, the mount's path included, only where the path begins with both.
        asked = {**scope, "root_path": root}
        for router in self._routers:
            for route in tuple(router.routes):
                match, child = route.matches(asked)
                # A router that FastAPI has included does not tell which of its routes will serve.
                if match.value and (child.get("root_path", root) != root or any(_included_mounts(route))):
                    return True
        return False


def below_mount(outer: Scope, added: Scope, app: Any) -> tuple[str, str | None]:
    """The path below the mount of an application that reads it by itself, and why it could read another one, if so.

    ``added`` is what the mount adds to the ``outer`` scope: a ``root_path`` with its own path at the end, if it cuts.
    """
    scope = {**outer, **added}
    root: str = scope.get("root_path") or ""
    path: str = scope["path"]
    method = scope["method"] if scope["type"] == "http" else "GET"
    found = _readings_in(scope, root)
    trouble = found.trouble or ambiguous(path, scope.get("raw_path"), method=method)
    if trouble is None and root != (outer.get("root_path") or "") and not path.startswith(root):
        trouble = "the path lacks root_path, which some applications cut and others leave in it"
    django = _django_setting()
    if trouble is None and len(django) > len(root) and path.startswith(django):
        trouble = f"Django cuts {django!r}, which is not where it is mounted"
    if trouble is None and "litestar.app" in sys.modules:
        litestars = [each for each in reached(app) if is_a(each, "litestar.app", "Litestar")]
        trouble = _mount_trouble(found, [mount for each in litestars for mount in _mounted_in(each)])
    return found.paths[0], trouble


def _readings_in(scope: Scope, root: str, own: Iterable[str] = ()) -> Readings:
    return readings_of(scope["path"], root, own, (scope.get("raw_path"),))


def _mount_trouble(found: Readings, mounts: Iterable[str]) -> str | None:
    for mount in map(prefix_of, mounts):
        for path in (*found.paths, *found.others):
            if path.startswith(mount) and path[len(mount) :][:1] not in ("", "/"):
                return f"Litestar takes the path for one below {mount!r}"
    return None


def _setting(app: Any) -> str:
    return prefix_of(getattr(app, "root_path", None))


def _django_setting() -> str:
    # It is the same for all of Django in one process.
    conf = sys.modules.get("django.conf") if _DJANGO in sys.modules else None
    if conf is None or not conf.settings.configured:
        return ""
    return prefix_of(conf.settings.FORCE_SCRIPT_NAME)


def _mounted_in(litestar: Any) -> Iterator[str]:
    for route in litestar.routes:
        if getattr(getattr(route, "route_handler", None), "is_mount", False):
            yield route.path


def _check_mounted(router: Any, above: str, around: tuple[Any, ...]) -> None:
    for route, is_included in _mounts(router):
        place = above + prefix_of(getattr(route, "path", ""))
        for each in reached(route.app):
            own = _setting(each) if is_a(each, "starlette.applications", "Starlette") else ""
            if own not in ("", "" if is_included else place):
                raise ConfigurationError(
                    f"a FastAPI application with root_path={own!r} is mounted at {place!r} and reads paths as if it "
                    "were not, so that no path table can tell what it serves: take root_path= out, a mount sets it",
                    code="root-path",
                )
            # An application may be mounted in itself.
            if is_a(each, "starlette.routing", "Router") and each not in around:
                _check_mounted(each, place, (*around, router))


def _mounts(router: Any) -> Iterator[tuple[Any, bool]]:
    """The mounts of a router, and whether each is there by FastAPI's ``include_router``, under a prefix of its own."""
    for route in tuple(router.routes):
        if getattr(route, "app", None) is not None and hasattr(route, "routes"):
            yield route, False
        yield from ((each, True) for each in _included_mounts(route))


def _included_mounts(route: Any) -> Iterator[Any]:
    included = getattr(route, "original_router", None)
    return iter(()) if included is None else (each for each, _ in _mounts(included))
