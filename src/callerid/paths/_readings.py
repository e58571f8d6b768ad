"""The paths that an application may read a request's path as, where parts of it cut off a prefix."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from callerid.errors import ConfigurationError
from callerid.paths._ambiguity import ambiguous
from callerid.paths._lookup import folded

__all__ = ["Readings", "checked_root", "prefix_of", "readings_of"]


class Readings(NamedTuple):
    """All paths that the path of one request may be read as.

    At each of ``paths``, the entry or else the default must admit the request. Each of ``others`` is an unusual reading
    that a part of the application may have: its entry, if there is one, must admit the request. ``targets`` are the
    request targets as they were sent (see `ambiguous`), ``trouble`` is why the request has to be refused with 400, if
    it has.
    """

    paths: tuple[str, ...]
    others: tuple[str, ...] = ()
    targets: tuple[bytes | str | None, ...] = ()
    trouble: str | None = None


def readings_of(
    path: str,
    root: str = "",
    own: Iterable[str] = (),
    targets: tuple[bytes | str | None, ...] = (),
) -> Readings:
    """The readings of a path.

    ``root`` is where the server or the developer says that the application is mounted (``root_path`` in ASGI); some
    servers leave it out of the path. ``own`` are prefixes that parts of the application cut off by a setting of their
    own (see `prefix_of`).
    """
    if root in ("", "/") and not own:
        return Readings((path,), (), targets)
    paths, others = [path], list[str]()
    trouble = None
    if root not in ("", "/"):
        paths, others = [_without(path, root)], [path]
        trouble = _root_trouble(path, root)
    for prefix in own:
        if prefix != root:
            paths.append(_without(path, prefix))
            # Litestar cuts at the first occurrence, Quart and Django even within a segment.
            _, found, rest = path.partition(prefix)
            others += [f"/{rest.lstrip('/')}"] if found else []
            trouble = trouble or _case_trouble(path, prefix)
    return Readings(tuple(dict.fromkeys(paths)), tuple(dict.fromkeys(others)), targets, trouble)


def _without(path: str, prefix: str) -> str:
    return path.removeprefix(prefix) if _begins(path, prefix) else path


def _begins(path: str, prefix: str) -> bool:
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/")


def _root_trouble(path: str, root: str) -> str | None:
    if not root.startswith("/") or root.endswith("/"):
        return "root_path does not begin with a slash, or ends with one: set it as in '/api'"
    if root in path and not _begins(path, root):
        # Litestar and Quart cut the path there.
        return "root_path stands inside the path"
    return _case_trouble(path, root)


def _case_trouble(path: str, prefix: str) -> str | None:
    if not _begins(path, prefix) and _begins(folded(path), folded(prefix)):
        return f"the path begins with {prefix!r} in other letter case or Unicode form"
    return None


def prefix_of(setting: object) -> str:
    """A setting of the application as a prefix of paths, empty for none; a slash at its end does not count."""
    found = setting.strip("/") if isinstance(setting, str) else ""
    return f"/{found}" if found else ""


def checked_root(root_path: object) -> str:
    """The checked value of ``root_path=``. Raises `ConfigurationError` for what cannot be the prefix of a path."""
    if root_path is None:
        return ""
    if not isinstance(root_path, str) or prefix_of(root_path) != root_path or ambiguous(root_path):
        raise ConfigurationError(
            "root_path= is the prefix that the application cuts off paths, such as '/api', without a slash at its end, "
            f"not {root_path!r}",
            code="root-path",
        )
    return root_path
