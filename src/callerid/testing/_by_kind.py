"""Minting by the name of a kind, as ``access.toml`` has it, and the local issuer's endpoint that does it for others.

The endpoint is no copy of anything of Google's: ``callerid token`` uses it. The server listens on the loopback
interface; a page in the developer's browser reaches that, too, so requests that a browser makes are refused: those with
``Origin`` or ``Sec-Fetch-Site``, those without a header that no page may send unasked, and those for another host name
than loopback's own (DNS rebinding).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from callerid.audit._suite import KINDS, check_options
from callerid.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callerid.testing._mint import Mint

__all__ = ["LOOPBACK_NAMES", "MINTED_KINDS", "MINT_HEADER", "MINT_PATH", "mint_answer", "minted"]

MINT_PATH: Final = "/callerid/mint"
MINT_HEADER: Final = "X-Callerid-Mint"
"""Its value is ``1``: a page of another origin may not send it."""

LOOPBACK_NAMES: Final = frozenset({"127.0.0.1", "localhost"})
"""The host names by which the local issuer is asked to mint."""

MINTED_KINDS: Final = tuple(kind for kind in KINDS if kind != "own_credential")
"""The kinds of callers that tokens are minted of; an application's own credentials are not."""


def minted(issuer: Mint, kind: str, who: str, options: Mapping[str, Any]) -> str:
    """A token of this kind, whose options are those of `callerid.audit._suite.KINDS`.

    Raises `ValueError` for what Google never mints.
    """
    given = dict(options)
    ago = given.pop("signed_in_ago", None)
    if ago is not None:
        given["signed_in_at"] = int(issuer.clock()) - ago
    mint: Any = getattr(issuer, kind)
    return mint(who, **given)  # type: ignore[no-any-return]


def mint_answer(issuer: Mint, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str]]:
    """Status and body of the answer to a request to mint; the names of ``headers`` are in lower case."""
    if not _is_asked_for(headers):
        return 403, {"error": f"tokens are minted for programs on this machine alone, which send {MINT_HEADER}: 1"}
    try:
        return 200, {"token": _asked(issuer, json.loads(body))}
    except (ValueError, RecursionError) as error:
        return 400, {"error": one_line(str(error))}


def _is_asked_for(headers: Mapping[str, str]) -> bool:
    is_of_browser = "origin" in headers or "sec-fetch-site" in headers
    return (
        not is_of_browser
        and headers.get(MINT_HEADER.lower()) == "1"
        and _host_name(headers.get("host", "")) in LOOPBACK_NAMES
    )


def _host_name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _asked(issuer: Mint, given: object) -> str:
    """The token that a document asks for. Raises `ValueError`."""
    asked = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    kind, who, options = asked.get("kind"), asked.get("who"), asked.get("options", {})
    if kind not in MINTED_KINDS or not isinstance(who, str) or not isinstance(options, dict):
        raise ValueError(f"a request has kind (one of {', '.join(MINTED_KINDS)}), who, and options, an object")
    known = cast("dict[str, Any]", options)
    check_options("options", kind, known)
    return minted(issuer, kind, who, known)
