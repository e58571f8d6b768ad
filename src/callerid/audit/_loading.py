"""An application by its name: ``module:app``, or ``module:make_app()`` for a factory.

As servers do it (uvicorn's "APP" and ``--app-dir``): the folder goes to the front of ``sys.path``.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

import callerid.errors
from callerid.errors import ConfigurationError, one_line

__all__ = ["load", "told"]


def load(name: str, folder: Path) -> Any:
    """The application of this name, its module imported from ``folder``.

    Raises `ConfigurationError`, in one line that says what and where.
    """
    module_name, colon, attribute = name.partition(":")
    is_factory = attribute.endswith("()")
    path = attribute.removesuffix("()").split(".")
    if not colon or not all(part.isidentifier() for part in (*module_name.split("."), *path)):
        raise _not_found(f"{name!r} does not name an application: write MODULE:APP, or MODULE:make_app() for a factory")
    if not folder.is_dir():
        raise _not_found(f"there is no folder {str(folder)!r} to import {module_name!r} from")
    found: Any = _imported(module_name, folder)
    for part in path:
        if not hasattr(found, part):
            raise _not_found(f"{name}: {module_name} has no {'.'.join(path)!r}")
        found = getattr(found, part)
    if not is_factory:
        return found
    if not callable(found):
        raise _not_found(f"{name}: {'.'.join(path)!r} is not a factory: leave out the ()")
    try:
        return found()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever an application's own code raises is told in one line
        raise _not_found(f"{name}: the factory raised {told(error)}") from None


def _not_found(message: str) -> ConfigurationError:
    return ConfigurationError(message, code="application-not-found")


def _imported(name: str, folder: Path) -> ModuleType:
    top, place = name.partition(".")[0], str(folder.resolve())
    sys.path.insert(0, place)
    # Applications like to be called "app": one of another folder is set aside, and comes back.
    aside = {} if _is_of(top, folder) else _set_aside(top)
    try:
        importlib.invalidate_caches()
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - an application's own code runs here
        is_missing = isinstance(error, ModuleNotFoundError) and error.name == top
        hint = "; --app-dir names the folder that it is in" if is_missing else ""
        raise _not_found(f"cannot import {name!r} from {folder}: {told(error)}{hint}") from None
    finally:
        if aside:
            _set_aside(top)
            sys.modules.update(aside)
        sys.path.remove(place)


def _is_of(top: str, folder: Path) -> bool:
    """Whether a module that is imported already is the one that this folder has, or nobody else's."""
    known = sys.modules.get(top)
    here = [folder / f"{top}.py", folder / top / "__init__.py"]
    own = next((file.resolve() for file in here if file.is_file()), None)
    return known is None or own is None or Path(getattr(known, "__file__", None) or ".").resolve() == own


def _set_aside(top: str) -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name == top or name.startswith(f"{top}.")]
    return {name: sys.modules.pop(name) for name in names}


_OURS, _IMPORTING = Path(callerid.errors.__file__).parent, importlib.__file__
"""Where an application's own code is not."""


def told(error: BaseException) -> str:
    """What an application has raised, in one line, with the place in its own code."""
    if isinstance(error, SyntaxError):
        return one_line(f"SyntaxError: {error.msg} (at {Path(error.filename or '?').name}:{error.lineno})")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<frozen")]
    own = [frame for frame in frames if not Path(frame.filename).is_relative_to(_OURS) and frame.filename != _IMPORTING]
    where = f" (at {Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    return one_line(f"{type(error).__name__}: {error}{where}")
