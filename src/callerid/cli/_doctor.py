"""``callerid doctor``: whether what the library relies on around an application is as it must be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, TextIO
from urllib.parse import urlsplit

import click

from callerid.cli._frame import MISSING, cli_command, json_option, json_text
from callerid.cli._trouble import CommandError
from callerid.errors import one_line

__all__ = ["command", "front_door"]

_SECONDS: Final = 10.0
_LARGEST: Final = 64 * 1024


@cli_command("doctor", codes={0: "the front door is closed", 1: "it stands open: the application answered", 2: MISSING})
@click.option("--cloud-run", metavar="URL", required=True, help="The service's address.")
@json_option
def command(out: TextIO, cloud_run: str, *, as_json: bool) -> int:
    """Ask a private Cloud Run service from outside whether its front door is closed.

    Asks the service without a credential, from where this runs, and says who answered: Google's front door, which lets
    in nobody without one, or the application itself. cloud_run(...) is proof only behind a closed front door.
    """
    is_closed, told = front_door(cloud_run)
    said = f"{'closed' if is_closed else 'OPEN'}: {told}\n"
    out.write(json_text({"version": 1, "url": cloud_run, "closed": is_closed, "said": told}) if as_json else said)
    return 0 if is_closed else 1


def front_door(url: str) -> tuple[bool, str]:
    """Whether the front door of a Cloud Run service is closed, and what says so. Raises `CommandError`."""
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username is not None:
        raise CommandError(
            f"--cloud-run takes the service's address, such as https://orders-abc.a.run.app, not {url!r}"
        )
    status, headers, body = _asked(url)
    if _is_ours(body):
        return False, f"the application itself refused the request ({status}), so the front door let it through"
    location = urlsplit(headers.get("Location", ""))
    if status == 302 and location.hostname == "accounts.google.com":
        return True, "Identity-Aware Proxy answered, and asks to sign in"
    if status in (401, 403):
        return True, f"Google's front door answered {status}"
    if status >= 500 or status == 404:
        raise CommandError(
            f"{parts.hostname} answers {status}, which may be the front door or the application: ask again"
        )
    return False, (
        f"the application answered {status} without a credential: require authentication (gcloud run services "
        "remove-iam-policy-binding SERVICE --member=allUsers --role=roles/run.invoker)"
    )


def _asked(url: str) -> tuple[int, Mapping[str, str], bytes]:
    from callerid.keys._transport import manager_for  # noqa: PLC0415 - an HTTP client, which other commands do not need

    try:
        with manager_for(url) as manager:
            response = manager.request(
                "GET", url, timeout=_SECONDS, retries=False, redirect=False, preload_content=False
            )
            with response:
                return response.status, response.headers, response.read(_LARGEST)
    except Exception as error:  # noqa: BLE001 - whatever the network does
        raise CommandError(f"{urlsplit(url).hostname} cannot be asked: {one_line(str(error))}") from None


def _is_ours(body: bytes) -> bool:
    """Whether this is a refusal by callerid, which names its ``instance`` (RFC 9457)."""
    try:
        document: Any = json.loads(body)
        return str(document["instance"]).startswith("urn:uuid:")
    except (ValueError, KeyError, TypeError):
        return False
