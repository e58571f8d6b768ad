"""``callerid doctor``: whether what the library relies on around an application is as it must be."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TextIO
from urllib.parse import urlsplit

import click

from callerid.audit._rows import AccessMap
from callerid.cli._advisories import advisories
from callerid.cli._findings import CheckFinding
from callerid.cli._frame import MISSING, app_dir_option, cli_command, json_option, json_text, waiting
from callerid.cli._routes import reading
from callerid.cli._surroundings import is_production, surroundings
from callerid.cli._table import Style
from callerid.cli._trouble import CommandError
from callerid.cli._weak_settings import weak_settings
from callerid.errors import one_line

__all__ = ["command", "front_door"]

_SECONDS: Final = 10.0
_LARGEST: Final = 64 * 1024


@cli_command(
    "doctor",
    codes={
        0: "nothing is to be mended; the front door is closed",
        1: "something is to be mended; the front door stands open: the application answered",
        2: MISSING,
    },
)
@click.argument("application", metavar="[MODULE:APP]", required=False)
@app_dir_option
@click.option("--cloud-run", metavar="URL", help="Ask this service instead: its address.")
@json_option
def command(out: TextIO, application: str | None, *, app_dir: Path, cloud_run: str | None, as_json: bool) -> int:
    """Check what guards rely on, or a Cloud Run front door.

    For MODULE:APP: what it runs on, whether the keys of its issuers can be had through this network's proxy and
    certificates, the clock beside that of the keys' server, settings that weaken, and, where pip-audit is installed
    beside the application, versions with known advisories. Run it where the application runs.

    With --cloud-run: asks the service without a credential, from where this runs, and says who answered: Google's front
    door, which lets in nobody without one, or the application itself. cloud_run(...) is proof only behind a closed
    front door.
    """
    if (application is None) is (cloud_run is None):
        raise CommandError("doctor takes an application, as MODULE:APP, or --cloud-run URL")
    if cloud_run is not None:
        is_closed, told = front_door(cloud_run)
        said = f"{'closed' if is_closed else 'OPEN'}: {told}\n"
        out.write(json_text({"version": 1, "url": cloud_run, "closed": is_closed, "said": told}) if as_json else said)
        return 0 if is_closed else 1
    with reading(str(application), app_dir, lifespan=False) as (_, found):
        every = list(_checked(found))
    if as_json:
        out.write(json_text({"version": 1, "findings": [each.as_data() for each in every]}))
    else:
        out.writelines(f"{line}\n" for each in every for line in _lines(each, Style.of(out)))
    return 1 if any(each.grade == "finding" for each in every) else 0


def _checked(found: AccessMap) -> Iterator[CheckFinding]:
    from callerid.cli._key_sources import key_sources  # noqa: PLC0415 - as in _asked

    yield surroundings(os.environ)
    sources = [source for guard in found.guards for source, _ in guard.authenticator.key_sets]
    leeway = min((guard.leeway for guard in found.guards), default=0.0)
    yield from key_sources(sources, time.time, leeway)
    yield from weak_settings(found, in_production=is_production(os.environ))
    yield from advisories()


_SHOWN: Final = {"fine": ("ok      ", "in"), "finding": ("MEND    ", "never"), "unknown": ("unknown ", "")}


def _lines(finding: CheckFinding, style: Style) -> Iterator[str]:
    word, colour = _SHOWN[finding.grade]
    said = f"{word}{finding.check}: {one_line(finding.said)}"
    yield style.paint(said, colour) if colour else said
    if finding.remedy:
        yield f"        {finding.remedy}"


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
        with waiting(str(urlsplit(url).hostname)), manager_for(url) as manager:
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
