"""``CallerMiddleware``: a WSGI application of any framework, guarded by path.

It has no routes to ask, so that it must read the path as the application will. Whatever rewrites a path or a method
(a prefix, a method override) stands outside of it, and CORS middleware, too; nothing that answers from a cache does. It
reads no marks: an endpoint marked with ``guard.allow`` behind it alone answers 500.

A request is judged before the application is called and before its body is read. Keys that have to be fetched are
waited for in the request's own thread. Source: PEP 3333, and RFC 3875 for ``REMOTE_USER``.

WSGI folds header names: ``X-Serverless-Authorization`` and ``X_Serverless_Authorization`` are one key, which cannot be
seen from inside. It opens nothing: whatever arrives there is verified, two of them arrive joined with a comma and are
refused, and identities that are no credentials (``REMOTE_USER``, in any spelling of a header) are removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import cache, partial
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, TypeAlias

from callerid._answers import Answer, dressed
from callerid._applications import OUTSIDE_OF_CORS, cors_inside
from callerid.authentication import METHOD, Waited, resolve
from callerid.authorization import named
from callerid.callers import Caller
from callerid.errors import ConfigurationError, Refusal
from callerid.guard import GuardCore, Requirement, log
from callerid.keys import Wait
from callerid.paths import Admitted, Gate, Refused, ambiguous, checked_root, readings_of
from callerid.rules import Rule

__all__ = ["CALLER", "CallerMiddleware", "OnRefusal", "introduce", "path_of", "respond", "sent"]

CALLER = "callerid.caller"
"""Where the caller is in ``environ``: ``None`` for nobody."""

Environ: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., Any]
App: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]

OnRefusal: TypeAlias = Callable[[Environ, Refusal], Answer | None]
"""Re-dresses a refusal: the answer to send instead, or ``None`` for the usual one. It can never let a request in."""


class CallerMiddleware:
    """A WSGI application in which every request is judged by its path.

    What all adapters share is described in `callerid.guard.GuardCore`. Here:

    - ``default``: holds for every path that ``routes`` has no entry for.
    - ``routes``: patterns over the path, see `callerid.paths.PathTable`.
    - ``floor``: holds everywhere, whatever an entry says.
    - ``on_refusal(environ, refusal)``: may give another answer to a refused request.
    - ``root_path``: the prefix that the application cuts off paths by itself.
    - ``enforce=False, until="2027-01-31"``: lets everybody in to the end of that day, callers known or not.
    - ``shadow``: a table to take the place of ``routes``, compared with it and never an answer.
    - ``audit``: patterns of the paths whose allowed requests are logged, too.

    Paths are those of ``PATH_INFO``, relative to ``SCRIPT_NAME``; where the application cuts a prefix off them by
    itself, ``root_path=`` names it, and entries for the path as it is written hold as well. A path that the application
    may read in another way is refused with 400 (see `ambiguous` and `PathLookup` in `callerid.paths`).

    The application is called with a copy of the environ. The caller is in its ``callerid.caller``, and ``REMOTE_USER``
    names them with their issuer (``user:EMAIL``, ``serviceAccount:EMAIL``, ``firebase:PROJECT/UID``, of a tenant's user
    ``firebase:PROJECT/TENANT/UID``); for nobody it is removed. Raises `ConfigurationError`.
    """

    def __init__(  # noqa: PLR0913 - plain settings, each with a name
        self,
        app: App,
        *,
        guard: GuardCore,
        default: Rule | str | Requirement,
        routes: Mapping[str, Rule | str | Requirement] = MappingProxyType({}),
        floor: Rule | str | Requirement | None = None,
        on_refusal: OnRefusal | None = None,
        enforce: bool = True,
        until: str | date | None = None,
        shadow: Mapping[str, Rule | str | Requirement] | None = None,
        audit: Iterable[str] = (),
        root_path: str | None = None,
    ) -> None:
        if on_refusal is not None and not callable(on_refusal):
            raise ConfigurationError(
                "on_refusal is a function of the environ and the refusal", code="on-refusal-not-a-function"
            )
        self.app = app
        self.gate = Gate(
            guard,
            default=default,
            routes=routes,
            floor=floor,
            enforce=enforce,
            until=until,
            shadow=shadow,
            audit=audit,
            name=f"the WSGI application {named(app)}",
        )
        self._on_refusal = on_refusal
        self.root_path = checked_root(root_path)
        self._is_started = self._is_warned = False
        self._warn()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request, if it may."""
        if not self._is_started:
            self._is_started = True
            self._warn()
        # A copy: who is calling is told to this application alone, and what is judged is what it is called with.
        environ = {**environ}
        path, targets = _path_and_targets(environ)
        guard = self.gate.guard
        readings = readings_of(path, self.root_path, (), targets)
        credentials = partial(sent, environ, guard.headers.values())
        method: str = environ["REQUEST_METHOD"]

        def decide(waited: Waited) -> Admitted | Refused | Wait:
            return self.gate.decide(method, readings, credentials, waited)

        # mypy joins the two to object.
        verdict: Admitted | Refused = resolve(decide)  # type: ignore[assignment]
        if isinstance(verdict, Refused):
            return respond(self._answer(verdict, environ), environ, start_response)
        introduce(verdict.caller, environ)
        return self.app(environ, start_response)

    def _warn(self) -> None:
        # At construction, and before the first request: the application may have been built in between.
        if not self._is_warned and (found := cors_inside(self.app)):
            self._is_warned = True
            log.warning("%s: %s %s", self.gate.name, found, OUTSIDE_OF_CORS)

    def _answer(self, verdict: Refused, environ: Environ) -> Answer:
        if self._on_refusal is None:
            return verdict.answer
        try:
            instead = self._on_refusal(environ, verdict.refusal)
        except Exception:  # noqa: BLE001 - a failing hook must not change who is let in
            log.exception("on_refusal failed; the usual answer is sent")
            return verdict.answer
        return dressed(instead, verdict.answer) if isinstance(instead, Answer) else verdict.answer


def path_of(environ: Mapping[str, Any]) -> tuple[str, str | None]:
    """The path inside the application, and why others could read it differently, if they could."""
    path, targets = _path_and_targets(environ)
    method = environ["REQUEST_METHOD"]
    troubles = (ambiguous(path, target, method=method) for target in targets or (None,))
    return path, next(filter(None, troubles), None)


def _path_and_targets(environ: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The path inside the application, and the request target as it was sent, where it is shown.

    ``PATH_INFO`` is UTF-8 in the clothes of latin-1 (PEP 3333, "Unicode Issues").
    """
    path = str(environ.get("PATH_INFO", ""))
    if not path.isascii():
        path = path.encode("latin-1").decode("utf-8", "replace")
    # Gunicorn's name, and the name that all others use. A target that is written as it is read has nothing to hide.
    return path, tuple(environ[name] for name in ("RAW_URI", "REQUEST_URI") if environ.get(name, path) != path)


def sent(environ: Mapping[str, Any], headers: Iterable[str]) -> dict[str, list[str]]:
    """What was sent in these headers (names in lower case), and the method among them, if it is asked for.

    Servers join several of one header with commas.
    """
    found: dict[str, list[str]] = {}
    for name in headers:
        value = environ.get(_key(name))
        if value is not None:
            found[name] = [value]
    return found


@cache
def _key(header: str) -> str:
    # As many as the guards read, whatever is sent.
    return _NO_HEADERS.get(header) or f"HTTP_{header.upper().replace('-', '_')}"


_NO_HEADERS = {":path": "PATH_INFO", METHOD: "REQUEST_METHOD"}
"""Where an environ has what stands among the headers and is none."""


def introduce(caller: Caller | None, environ: Environ) -> None:
    """Tell the application who is calling, and nothing else that looks like an identity."""
    environ[CALLER] = caller
    environ.pop("REMOTE_USER", None)
    environ.pop("HTTP_REMOTE_USER", None)
    if caller is not None:
        name = str(caller)
        environ["REMOTE_USER"] = name if name.isascii() else name.encode().decode("latin-1")


def respond(answer: Answer, environ: Mapping[str, Any], start_response: StartResponse) -> list[bytes]:
    """Send an answer in the application's stead."""
    phrase = HTTPStatus(answer.status).phrase if answer.status in _KNOWN else "Unknown"
    start_response(f"{answer.status} {phrase}", list(answer.headers))
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]


_KNOWN = frozenset(map(int, HTTPStatus))
