"""``python -m bench [--check] [SECTION…]``: measure, print, and write ``bench/RESULTS.md`` with its plot.

``--check`` writes nothing, and exits 1 if a ratio is not where it should be, with room for noise.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from bench import access, ambient, growth, lookups, processes, serving, verifying
from bench.measure import Row

ROOM = 0.1
HERE = Path(__file__).parent
SECTIONS: dict[str, Callable[[], Iterator[Row]]] = {
    "verifying": verifying.rows,
    "ambient": ambient.rows,
    "growth": growth.rows,
    "access": access.rows,
    "processes": processes.rows,
    "lookups": lookups.rows,
    "serving": serving.rows,
}
VERSIONS = (
    "callerid",
    "cryptography",
    "google-auth",
    "cachetools",
    "starlette",
    "fastapi",
    "uvicorn",
    "PyJWT",
    "joserfc",
    "firebase-admin",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a ratio is out of reach")
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; all if none is named"
    )
    chosen = parser.parse_args()
    rows: list[Row] = []
    for name in chosen.sections or SECTIONS:
        for row in SECTIONS[name]():
            print(_line(row), flush=True)
            rows.append(row)
    out_of_reach = [row for row in rows if not row.holds(ROOM)]
    for row in out_of_reach:
        print(f"out of reach: {_line(row)}")
    print(f"bench: {len(rows)} rows, {len(out_of_reach)} out of reach (room for noise: {ROOM:.0%})")
    if chosen.check:
        return 1 if out_of_reach else 0
    if not chosen.sections:
        (HERE / "RESULTS.md").write_text(_document(rows), encoding="utf-8")
        _plot(rows, HERE / "results.svg")
    return 0


def _line(row: Row) -> str:
    return f"{row.section:<100} {row.name:<45} {row.ratio:7.3f} {_reach(row)}"


def _reach(row: Row) -> str:
    return "" if row.reach is None else f"{row.bound} {row.reach:g}"


def _document(rows: Iterable[Row]) -> str:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in VERSIONS)
    head = (
        "# What callerid costs\n\nWritten by `make bench`: medians of ratios, contenders taking turns in one run on one"
        " machine. Absolute times are left out: they would mean little.\n\n"
        "A floor is what the least of its kind costs: it lets in whoever comes, and is here to tell what is left for a"
        " guard.\n\n"
        f"Python {platform.python_version()}, {versions}.\n\n![The ratios](results.svg)\n"
    )
    parts = [head]
    section = ""
    for row in rows:
        if row.section != section:
            section = row.section
            parts.append(f"\n## {section}\n\n| | ratio | reach |\n| --- | ---: | ---: |")
        mark = "" if row.holds(0) else " (missed)"
        parts.append(f"| {row.name} | {row.ratio:.3f} | {_reach(row)}{mark} |")
    return "\n".join(parts) + "\n"


def _plot(rows: list[Row], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "callerid"
    figure, axes = plt.subplots(figsize=(10, 0.3 * len(rows) + 1))
    labels = [f"{row.section.partition(' (')[0]}: {row.name}" for row in rows]
    colours = [
        "#2a7" if row.reach is not None and row.holds(0) else "#c53" if row.reach is not None else "#999"
        for row in rows
    ]
    places = range(len(rows))
    axes.barh(places, [row.ratio for row in rows], color=colours)
    for place, row in zip(places, rows, strict=True):
        if row.reach is not None:
            axes.plot([row.reach, row.reach], [place - 0.4, place + 0.4], color="black")
    axes.set_yticks(places, labels, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel(
        "ratio beside the baseline of 1.0 (green: in reach, red: not; black: the reach; grey: peers and floors)"
    )
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main())
