"""Checks settings that were given, as nested tables, against the schema. Pure; errors name the key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, TypeAlias, cast

from callerid.configuration._schema import FLEET_URL, FLEET_URL_FROM, GUARD, SECTIONS, Section
from callerid.configuration._values import TEXT, Setting
from callerid.errors import ConfigurationError, one_line

__all__ = ["Dialect", "ReadIssuer", "ReadSettings", "checked", "nearest_of"]

Path: TypeAlias = tuple[str | int, ...]
"""Where a setting stands: ``("firebase", 2, "project")`` is the project of the second Firebase issuer."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one source writes settings: what a key is called in errors, and how a value is read."""

    source: str
    name: Callable[[Path], str]
    read: Callable[[Setting, Any], Any]


@dataclass(frozen=True, slots=True)
class ReadIssuer:
    """The checked settings of one issuer; ``where`` names it in errors."""

    section: Section
    values: Mapping[str, Any]
    inner: tuple[ReadIssuer, ...]
    where: str


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """All that a source says. ``fleet`` is the setting about the fleet's URL, which is not shown."""

    options: Mapping[str, Any]
    issuers: tuple[ReadIssuer, ...]
    fleet: str | None = field(default=None, repr=False)


def checked(given: Mapping[str, Any], dialect: Dialect, fleet_key: str) -> ReadSettings:
    """The settings of nested tables. ``fleet_key`` is what this source calls its setting about the fleet.

    Raises `ConfigurationError`, which names the key and the source.
    """
    own = (*GUARD, Setting(fleet_key, TEXT))
    options = {name: value for name, value in given.items() if name not in SECTIONS}
    values = _values(options, own, dialect, (), SECTIONS)
    issuers = [each for name in SECTIONS if name in given for each in _issuers(name, SECTIONS, given, dialect, ())]
    if not issuers:
        raise ConfigurationError(
            f"{dialect.source}: no issuer is named: give at least one, such as {dialect.name(('google', 'audiences'))}",
            code="settings",
        )
    fleet = values.pop(fleet_key, None)
    return ReadSettings(values, tuple(issuers), fleet)


def _issuers(
    name: str, sections: Mapping[str, Section], given: Mapping[str, Any], dialect: Dialect, above: Path
) -> list[ReadIssuer]:
    """The issuers of one kind: one table, or a list of several."""
    value, at = given[name], (*above, name)
    tables = cast("list[object]", value) if isinstance(value, list) else [value]
    if not tables or not all(isinstance(each, dict) for each in tables):
        raise ConfigurationError(
            f"{dialect.name(at)}: expected a table of settings, or a list of such tables", code="settings"
        )
    several = len(tables) > 1
    found = enumerate(cast("list[dict[str, Any]]", tables), 1)
    return [_issuer(sections[name], each, dialect, (*at, number) if several else at) for number, each in found]


def _issuer(section: Section, table: Mapping[str, Any], dialect: Dialect, at: Path) -> ReadIssuer:
    own = {name: value for name, value in table.items() if name not in section.inner}
    values = _values(own, section.settings, dialect, at, section.inner)
    for each in section.settings:
        if each.required and each.name not in values:
            raise ConfigurationError(
                f"{dialect.name((*at, each.name))} is missing: {dialect.name(at)} needs it", code="settings"
            )
    inner = [
        each for name in section.inner if name in table for each in _issuers(name, section.inner, table, dialect, at)
    ]
    return ReadIssuer(section, values, tuple(inner), ", ".join(dialect.name((*at, name)) for name in values))


def _values(
    given: Mapping[str, Any], known: Iterable[Setting], dialect: Dialect, at: Path, sections: Iterable[str]
) -> dict[str, Any]:
    """The values of one table, read and checked."""
    settings = {each.name: each for each in known}
    found: dict[str, Any] = {}
    for name, value in given.items():
        where = dialect.name((*at, name))
        if name not in settings:
            raise ConfigurationError(_unknown(where, name, (*settings, *sections)), code="settings")
        try:
            found[name] = dialect.read(settings[name], value)
        except ValueError as error:
            raise ConfigurationError(f"{where}: {error}", code="settings") from None
    return found


_NOT_HERE = {
    FLEET_URL: "a URL with a password stands in no file: name its environment variable, as in "
    f'{FLEET_URL_FROM} = "CALLERID_FLEET_URL"',
    "insist": "insist=True is written in code alone: it says that a front door checks tokens, which nothing here sees",
    "enforce": "rules are always enforced here: a rollout is written in code, protect(..., enforce=False, until=...)",
    "default": "rules are written in code, as in protect(..., default=...)",
}
"""Settings that are looked for, and why there are none of that name."""


def _unknown(where: str, name: str, known: Iterable[str]) -> str:
    if name in _NOT_HERE:
        return f"{where}: {_NOT_HERE[name]}"
    return f"{where} is no setting{nearest_of(name, known)}"


def nearest_of(name: str, known: Iterable[str]) -> str:
    """What an unknown name was probably meant to be, in words; all known names where none is near."""
    names = sorted(known)
    near = get_close_matches(one_line(name), names, n=1, cutoff=0.6)
    return f": did you mean {near[0]}?" if near else f": there are {', '.join(names)}"
