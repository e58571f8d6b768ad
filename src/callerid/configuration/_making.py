"""Makes issuers and a guard's options of checked settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from callerid.configuration._reading import ReadIssuer, ReadSettings
from callerid.configuration._schema import FLEET_PREFIX, FLEET_URL, FLEET_URL_FROM, KEY_FILE
from callerid.configuration._sources import read_environment, read_toml
from callerid.errors import ConfigurationError
from callerid.issuers import Issuer
from callerid.keys import KeyFile

__all__ = ["GuardSettings", "settings_from_env", "settings_from_toml"]


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """What a guard is made of: issuers, options, and where both were written (``configured_by``)."""

    issuers: tuple[Issuer, ...]
    options: Mapping[str, Any] = field(repr=False)
    configured_by: str


def settings_from_env(prefix: str, environ: Mapping[str, str]) -> GuardSettings:
    """The settings of environment variables. Raises `ConfigurationError`."""
    read = read_environment(prefix, environ)
    name = f"{prefix}{FLEET_URL.upper()}"
    return _made(read, f"environment variables {prefix}*", read.fleet, f"environment variable {name}")


def settings_from_toml(path: str | os.PathLike[str], environ: Mapping[str, str]) -> GuardSettings:
    """The settings of a TOML file; the fleet's URL is in ``environ``. Raises `ConfigurationError`."""
    read, file = read_toml(path), os.path.basename(path)  # noqa: PTH119 - a path of any kind
    url = None
    if read.fleet is not None:
        url = environ.get(read.fleet, "")
        if not url.strip():
            raise ConfigurationError(
                f"{file}: {FLEET_URL_FROM} names the environment variable {read.fleet!r}, which is not set or empty",
                code="settings",
            )
    return _made(read, f"file {file}", url, f"{file}: {FLEET_URL_FROM}")


def _made(read: ReadSettings, configured_by: str, url: str | None, where: str) -> GuardSettings:
    options = dict(read.options)
    prefix = options.pop(FLEET_PREFIX, None)
    if url is not None:
        options["fleet"] = _fleet(url, {} if prefix is None else {"prefix": prefix}, where)
    elif prefix is not None:
        raise ConfigurationError(
            f"{configured_by}: {FLEET_PREFIX} is set, and no fleet's URL: set it, or leave both out",
            code="settings",
        )
    return GuardSettings(tuple(map(_issuer, read.issuers)), options, configured_by)


def _fleet(url: str, options: Mapping[str, Any], where: str) -> Any:
    from callerid.fleet import RedisFleet  # noqa: PLC0415 - an extra, for those who have a fleet

    try:
        return RedisFleet(url, **options)
    except ConfigurationError as error:  # it repeats nothing of the URL
        raise ConfigurationError(f"{where}: {error.message}", code=error.code) from None


def _issuer(read: ReadIssuer) -> Issuer:
    section, values = read.section, dict(read.values)
    inner = tuple(map(_issuer, read.inner))
    first = (values.pop(section.first),) if section.first else ()
    others = values.pop(section.others) if section.others else ()
    file = values.pop(KEY_FILE, None)
    if file is not None and "keys" in values:
        raise ConfigurationError(
            f"{read.where}: keys come from an address or from a file: leave one out", code="settings"
        )
    try:
        keys = {} if file is None else {"keys": KeyFile(file)}
        return section.make(*first, *others, *inner, **values, **keys)
    except ConfigurationError as error:
        raise ConfigurationError(f"{read.where}: {error.message}", code=error.code) from None
