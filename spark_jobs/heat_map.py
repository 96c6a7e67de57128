"""Completeness as one picture: points downwards, hours to the right, a colour a verdict. Pure: an SVG that any browser shows."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

MAX_ROWS, MAX_COLUMNS = 60, 168
"""Beyond these, several points share a row, several hours a column: the gravest verdict shows."""
_CELL, _GAP, _LEFT, _TOP, _KEY = 12, 1, 220, 64, 120
"""Pixels: a cell, the line between two, what is left of them and above them, a word of the legend."""
_COLOURS = {
    "COMPLETE": "#3a9d5d",
    "HOLE": "#1f1f1f",
    "MISSING": "#c62828",
    "SURPLUS": "#8e24aa",
    "ALTERED": "#ef6c00",
    "SILVER_DIFFERS": "#1565c0",
    "PI_DIFFERS": "#d4a017",
}
_NOTHING = "#eceff1"


class Grid(NamedTuple):
    """Verdicts by row and column; where there is none, nothing is covered."""

    rows: Sequence[str]
    """What each row stands for."""
    columns: Sequence[str]
    cells: Mapping[tuple[int, int], str]


def svg(grid: Grid, title: str) -> str:
    """The picture."""
    width = max(_LEFT + len(grid.columns) * _CELL, (len(_COLOURS) + 1) * _KEY) + 16
    height = _TOP + len(grid.rows) * _CELL + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="10" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="8" y="18" font-size="14">{escape(title)}</text>',
        *_legend(),
    ]
    for number, label in enumerate(grid.rows):
        y = _TOP + number * _CELL
        parts.append(f'<text x="{_LEFT - 6}" y="{y + _CELL - 3}" text-anchor="end">{escape(_short(label))}</text>')
        parts += [_cell(grid, number, column) for column in range(len(grid.columns))]
    parts += _times(grid)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend() -> list[str]:
    lines = []
    for number, (verdict, colour) in enumerate([*_COLOURS.items(), ("nothing covered", _NOTHING)]):
        x = 8 + number * _KEY
        lines.append(f'<rect x="{x}" y="32" width="{_CELL - _GAP}" height="{_CELL - _GAP}" fill="{colour}"/>')
        lines.append(f'<text x="{x + _CELL + 4}" y="41">{escape(verdict)}</text>')
    return lines


def _cell(grid: Grid, row: int, column: int) -> str:
    verdict = grid.cells.get((row, column))
    colour = _NOTHING if verdict is None else _COLOURS[verdict]
    told = f"{grid.rows[row]}, {grid.columns[column]}: {verdict or 'nothing covered'}"
    return (
        f'<rect x="{_LEFT + column * _CELL}" y="{_TOP + row * _CELL}" width="{_CELL - _GAP}" height="{_CELL - _GAP}" fill="{colour}">'
        f"<title>{escape(told)}</title></rect>"
    )


def _times(grid: Grid) -> list[str]:
    """The first hour and every twelfth after it."""
    y, every = _TOP + len(grid.rows) * _CELL + 14, 12
    return [f'<text x="{_LEFT + at * _CELL}" y="{y}">{escape(grid.columns[at])}</text>' for at in range(0, len(grid.columns), every)]


def _short(label: str) -> str:
    return label if len(label) <= 36 else label[:35] + "…"
