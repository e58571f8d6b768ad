"""Test clients of any application, each for one persona: real tokens, real decisions, real handlers."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from callerid.access import access_map
from callerid.audit._front import chain_of, is_django, is_flask
from callerid.audit._reading import is_wsgi
from callerid.audit._suite import SuitePersona
from callerid.authentication import resolve
from callerid.callers import Caller
from callerid.errors import ConfigurationError, Refusal
from callerid.guard import GuardCore
from callerid.keys import Wait
from callerid.testing._standing_in import standing_in
from callerid.testing._suite_mint import SuiteMint

if TYPE_CHECKING:
    from types import TracebackType

    from callerid.testing._issuer import LocalIssuer

__all__ = ["CallerClients"]

_STRANGER = SuitePersona("stranger")

_BASE = "https://testserver"


class CallerClients:
    """What the fixture ``caller_client`` gives: it makes test clients that call as somebody.

    For instance::

        def test_reports_are_for_staff(caller_client):
            ada = caller_client(app, persona("workspace_person", domain="example.com"))
            assert ada.get("/reports").status_code == 200
            assert caller_client(app).get("/reports").status_code == 401

    Each client sends the credentials of its persona with every request: tokens that ``issuer`` signs when the client is
    made. Until the end of the block the guards of those applications believe that issuer, and no other; everything else
    of them stays. So several clients may be used side by side. `callerid.testing.as_caller` is for requests without a
    credential.
    """

    def __init__(self, issuer: LocalIssuer) -> None:
        self._issuer = issuer
        self._undo = ExitStack()
        self._looked_up: dict[GuardCore, dict[tuple[str, str], Mapping[str, frozenset[str]]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._undo.close()
        self._looked_up.clear()

    def __call__(self, app: Any, persona: SuitePersona = _STRANGER) -> Any:
        """The client of the application's own framework.

        That is Flask's ``test_client()``, Django's ``Client``, Starlette's ``TestClient`` for any other ASGI
        application, and an ``httpx.Client`` for any other of WSGI. ``with`` it, Starlette's runs the lifespan, too.
        Raises `ConfigurationError` for what is no application with a guard, and for a persona of whom Google would mint
        no token.
        """
        headers = self._headers(app, persona)
        flask = next((each for each in chain_of(app) if is_flask(each)), None)
        if flask is not None:
            client = flask.test_client()
            client.environ_base.update(_environ(headers))
            return client
        if any(is_django(each) for each in chain_of(app)):
            from django.test import Client  # noqa: PLC0415 - only where there is Django

            return Client(headers=headers)
        if is_wsgi(app):
            httpx: Any = _httpx()
            return httpx.Client(transport=httpx.WSGITransport(app=app), base_url=_BASE, headers=headers)
        from starlette.testclient import TestClient  # noqa: PLC0415 - only where it is asked for

        return TestClient(app, base_url=_BASE, headers=headers)

    def asynchronous(self, app: Any, persona: SuitePersona = _STRANGER) -> Any:
        """An ``httpx.AsyncClient`` for an ASGI application, Django's among them. It runs no lifespan.

        Raises as a call does, and `ConfigurationError` for an application of WSGI.
        """
        headers = self._headers(app, persona)
        if is_wsgi(app):
            raise ConfigurationError(
                "an asynchronous client is for ASGI: call caller_client(app, persona) for WSGI", code="test-kit"
            )
        httpx: Any = _httpx()
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=_BASE, headers=headers)

    def _headers(self, app: Any, persona: SuitePersona) -> dict[str, str]:
        guards = access_map(app).guards
        for guard in guards:
            if guard not in self._looked_up:
                self._undo.enter_context(standing_in(self._issuer, guard))
                self._looked_up[guard] = {}
                self._undo.callback(_answer_by(guard, self._looked_up[guard]))
        headers = SuiteMint(self._issuer, guards).headers(persona)
        if persona.looked_up:
            for guard in guards:
                self._looked_up[guard] |= dict.fromkeys(_known_as(guard, headers), persona.looked_up)
        # A page of the application's own sends it: what browsers send unasked is believed beside it alone.
        return {"Sec-Fetch-Site": "same-origin", **headers} if headers else {}


def _answer_by(guard: GuardCore, said: Mapping[tuple[str, str], Mapping[str, frozenset[str]]]) -> Any:
    """Have a guard take what tests say of callers for the answers of its look-ups; returns what undoes it."""
    own, look_up = vars(guard), guard.look_up
    before = own.get("look_up")

    def look_up_here(
        of: str, caller: Caller, fact: str, waited: Iterable[Wait] | None = ()
    ) -> Container[str] | Wait | None:
        facts = said.get((caller.issuer, caller.subject), {}).get(of)
        return look_up(of, caller, fact, waited) if facts is None else facts

    def undo() -> None:
        del own["look_up"]
        if before is not None:
            own["look_up"] = before

    own["look_up"] = look_up_here
    return undo


def _known_as(guard: GuardCore, headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Issuer and subject of whom a guard knows by these headers; nobody where it believes none of them."""
    sent = {name.lower(): [value] for name, value in headers.items()} | {":method": ["GET"]}
    with suppress(Refusal):
        caller = resolve(partial(guard.identify, sent)).caller
        return [] if caller is None else [(caller.issuer, caller.subject)]
    return []


def _environ(headers: Mapping[str, str]) -> dict[str, str]:
    return {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}


def _httpx() -> Any:
    try:
        import httpx  # noqa: PLC0415 - only where it is asked for
    except ImportError:
        raise ConfigurationError("this client is made by httpx: pip install httpx", code="test-kit") from None
    return httpx
