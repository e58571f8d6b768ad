"""Rules for the callers of Google Workspace apps: Google Chat and add-ons."""

from __future__ import annotations

from callerid.errors import ConfigurationError
from callerid.rules._base import Rule
from callerid.rules._google import ServiceAccount

__all__ = ["GoogleChat"]


def GoogleChat(project_number: int | str | None = None) -> Rule:  # noqa: N802 - written among rules, as one of them
    """Google Chat, calling a Chat app: ``ServiceAccount("chat@system.gserviceaccount.com")``.

    With the number of the app's project, a Chat app that is built as a Google Workspace add-on may call, too: as
    ``service-NUMBER@gcp-sa-gsuiteaddons.iam.gserviceaccount.com``.

    Google Chat calls every app as one account, so the audience tells yours apart: ``google_chat(project_number)``, or
    ``google(URL)`` with the app's own URL. Anybody may make a Chat app that calls your URL: where that matters, use
    ``google_chat(...)`` with the project's number. Who wrote in the chat stands in the request's body and is no caller.

    Raises `ConfigurationError` for what is no number. Source: Google Workspace, "Verify requests from Google Chat".
    """
    chat = ServiceAccount("chat@system.gserviceaccount.com")
    if project_number is None:
        return chat
    number = str(project_number) if type(project_number) is int else project_number
    if not isinstance(number, str) or not (number.isascii() and number.isdecimal()) or number.startswith("0"):
        raise ConfigurationError(
            f"GoogleChat takes a project's number, such as 123456789012, not {project_number!r}", code="rule-argument"
        )
    return chat | ServiceAccount(f"service-{number}@gcp-sa-gsuiteaddons.iam.gserviceaccount.com")
