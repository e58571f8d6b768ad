"""A persona who comes by an access token is minted one."""

from __future__ import annotations

from callerid.audit.algebra import Persona
from callerid.callers import Kind
from callerid.testing import LocalIssuer
from callerid.testing._personas import headers_of

CLIENT = "1234-abc.apps.googleusercontent.com"


def test_a_persona_of_googles_authorization_server_has_an_access_token() -> None:
    issuer = LocalIssuer()
    asked = issuer.google_access_token(CLIENT)
    persona = Persona(
        family=Kind.GOOGLE, issuer=asked.name, subject="7", email="ada@example.com", audience=CLIENT, scopes=("drive",)
    )
    assert headers_of(persona, issuer)["Authorization"].startswith("Bearer ya29.")
