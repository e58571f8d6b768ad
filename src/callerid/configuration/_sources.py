"""Environment variables and TOML files as nested tables."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from callerid.configuration._reading import Dialect, ReadSettings, checked, nearest_of
from callerid.configuration._schema import FLEET_URL, FLEET_URL_FROM, GUARD, SECTIONS, Section
from callerid.errors import ConfigurationError, one_line

__all__ = ["read_environment", "read_toml", "variables"]

_PREFIX: Final = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*_")
_LARGEST: Final = 1_000_000
"""Bytes of a settings file."""


def variables() -> dict[str, tuple[str, ...]]:
    """Every variable, without its prefix, with the place of its setting in the nested tables."""
    own = [(each.name,) for each in GUARD] + [(FLEET_URL,)]
    nested = [place for name, section in SECTIONS.items() for place in _places((name,), section)]
    return {"_".join(place).upper(): place for place in (*own, *nested)}


def _places(at: tuple[str, ...], section: Section) -> Iterator[tuple[str, ...]]:
    yield from ((*at, each.name) for each in section.settings if each.in_environment)
    for name, inner in section.inner.items():
        yield from _places((*at, name), inner)


def read_environment(prefix: str, environ: Mapping[str, str]) -> ReadSettings:
    """The settings of all variables whose names begin with ``prefix``. Raises `ConfigurationError`."""
    if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
        raise ConfigurationError(
            f"prefix= is capital letters that end with an underscore, such as CALLERID_: {prefix!r}",
            code="settings",
        )
    known, given = variables(), dict[str, Any]()
    for name in sorted(each for each in environ if each.startswith(prefix)):
        place = known.get(name.removeprefix(prefix))
        if place is None:
            raise ConfigurationError(_unknown_variable(name, prefix, known), code="settings")
        table = given
        for part in place[:-1]:
            table = table.setdefault(part, {})
        table[place[-1]] = environ[name]
    dialect = Dialect(
        f"environment variables {prefix}*",
        lambda place: f"environment variable {prefix}{'_'.join(map(str, place)).upper()}",
        lambda setting, text: setting.type.from_text(text),
    )
    return checked(given, dialect, FLEET_URL)


def _unknown_variable(name: str, prefix: str, known: Mapping[str, Any]) -> str:
    if name.endswith("_EMULATOR"):
        return (
            f"environment variable {name}: no variable can have unsigned tokens believed: name the Firebase Auth "
            "emulator in code or in a file, on a developer's machine"
        )
    near = nearest_of(name, [f"{prefix}{each}" for each in known])
    return f"environment variable {one_line(name)} is no setting{near}"


def read_toml(path: str | os.PathLike[str]) -> ReadSettings:
    """The settings of a TOML file. Raises `ConfigurationError`."""
    import tomllib  # noqa: PLC0415 - whoever writes a guard in code does not pay for it

    file = Path(path)
    try:
        with file.open("rb") as opened:
            data = opened.read(_LARGEST + 1)
        given = tomllib.loads(data.decode() if len(data) <= _LARGEST else "\0")
    except OSError as error:
        raise ConfigurationError(
            f"{file.name} cannot be read: {error.strerror or type(error).__name__}", code="settings"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        where = re.search(r"at line \d+, column \d+|at end of document", str(error))
        raise ConfigurationError(
            f"{file.name} is no TOML{f' ({where[0]})' if where else ''}", code="settings"
        ) from None
    dialect = Dialect(
        f"file {file.name}",
        lambda place: f"{file.name}: {_written(place)}",
        lambda setting, value: setting.type.from_toml(value),
    )
    return checked(given, dialect, FLEET_URL_FROM)


def _written(place: tuple[str | int, ...]) -> str:
    """A place as TOML has it: ``project`` of ``[firebase]``, or of the second ``[[firebase]]``."""
    *tables, last = place
    if isinstance(last, int) or (len(place) == 1 and last in SECTIONS):
        return _table(place)
    return f"{one_line(str(last))} of {_table(tuple(tables))}" if tables else one_line(str(last))


def _table(place: tuple[str | int, ...]) -> str:
    names = ".".join(each for each in place if isinstance(each, str))
    numbers = [str(each) for each in place if isinstance(each, int)]
    return f"[[{names}]] number {'.'.join(numbers)}" if numbers else f"[{names}]"
