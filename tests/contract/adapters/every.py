"""All adapters, by name."""

from __future__ import annotations

from .djangos import InDjango, InDjangoByASGI
from .driving import Adapter
from .fastapis import InFastAPI, InFastAPIByPath
from .flasks import InFlask
from .plain import PlainASGI, PlainWSGI
from .starlettes import InStarlette

__all__ = ["ADAPTERS", "Adapter"]

ADAPTERS: dict[str, Adapter] = {
    adapter.name: adapter
    for adapter in (
        InFastAPI(),
        InFastAPIByPath(),
        InStarlette(),
        InFlask(),
        InDjango(),
        InDjangoByASGI(),
        PlainASGI(),
        PlainWSGI(),
    )
}
