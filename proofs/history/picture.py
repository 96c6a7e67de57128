"""A history and what was said of it, as one picture: an SVG that any browser shows. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html import escape

from proofs.history.replay import MINUTE, SECOND, Episode, Known, Row

_WIDTH, _LEFT, _RIGHT, _TOP, _HEIGHT, _LANE = 1000, 190, 16, 64, 220, 16
"""Pixels: the axis of time, what is left and right of it, what is above it, the curve, a line of findings."""
_CURVE, _KNOWN, _TOLD, _GRID = "#37474f", "#ffe0b2", "#c62828", "#cfd8dc"


def svg(title: str, rows: Sequence[Row], known: Sequence[Known], lanes: Sequence[tuple[str, Sequence[Episode]]]) -> str:
    """The values by column, least to most; what is known, shaded; and a line for each kind of finding."""
    begin, end = min(stamp for stamp, _ in rows), max(stamp for stamp, _ in rows)
    scale = _Scale(begin, end, min(value for _, value in rows), max(value for _, value in rows))
    bottom = _TOP + _HEIGHT + 8 + _LANE * len(lanes)
    width, height = _LEFT + _WIDTH + _RIGHT, bottom + 28
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="11" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="8" y="20" font-size="14">{escape(title)}</text>',
        f'<rect x="8" y="34" width="12" height="12" fill="{_KNOWN}"/><text x="24" y="44">known from outside</text>',
        f'<rect x="150" y="34" width="12" height="12" fill="{_TOLD}"/><text x="166" y="44">said by the rules, from its beginning on</text>',
        *(_shade(scale, each, bottom) for each in known),
        *_axes(scale, bottom),
        f'<path d="{_curve(scale, rows)}" stroke="{_CURVE}" stroke-width="1" fill="none"/>',
    ]
    for number, (name, episodes) in enumerate(lanes):
        y = _TOP + _HEIGHT + 8 + _LANE * number
        parts.append(f'<text x="{_LEFT - 8}" y="{y + _LANE - 5}" text-anchor="end">{escape(name)}</text>')
        parts += [_bar(scale, each, y) for each in episodes]
    return "\n".join([*parts, "</svg>"]) + "\n"


class _Scale:
    def __init__(self, begin: int, end: int, least: float, most: float) -> None:
        self.begin, self.end, self.least, self.most = begin, end, least, most

    def x(self, at: int) -> float:
        return round(_LEFT + _WIDTH * (min(max(at, self.begin), self.end) - self.begin) / (self.end - self.begin), 1)

    def y(self, value: float) -> float:
        return round(_TOP + _HEIGHT * (self.most - value) / (self.most - self.least), 1)


def _curve(scale: _Scale, rows: Sequence[Row]) -> str:
    columns: dict[int, list[float]] = {}
    for stamp, value in rows:
        columns.setdefault(int(scale.x(stamp)), []).append(value)
    # A column of one height would be a line without length, which is not drawn.
    return "".join(f"M{x} {scale.y(max(own)) - 0.5:g}V{scale.y(min(own)) + 0.5:g}" for x, own in sorted(columns.items()))


def _shade(scale: _Scale, known: Known, bottom: int) -> str:
    x, width = scale.x(known.begin), scale.x(known.end) - scale.x(known.begin)
    told = f"<title>{escape(known.what)}</title>"
    return f'<rect x="{x}" y="{_TOP}" width="{width:.1f}" height="{bottom - _TOP}" fill="{_KNOWN}">{told}</rect>'


def _bar(scale: _Scale, episode: Episode, y: int) -> str:
    x, end = scale.x(episode.begin), scale.x(episode.told if episode.rule == "LATE" else episode.over or scale.end)
    told = f"<title>{escape(episode.rule)} of {escape(episode.point)}, {when(episode.begin)}, said {when(episode.told)}</title>"
    return f'<rect x="{x}" y="{y + 2}" width="{max(end - x, 1.5):.1f}" height="{_LANE - 4}" fill="{_TOLD}">{told}</rect>'


def _axes(scale: _Scale, bottom: int) -> list[str]:
    """A line for each month, and one for each twenty degrees."""
    parts = []
    at = datetime.fromtimestamp(scale.begin // SECOND, UTC).replace(day=1, hour=0, minute=0)
    while at.timestamp() * SECOND <= scale.end:
        if at.timestamp() * SECOND >= scale.begin:
            x = scale.x(round(at.timestamp()) * SECOND)
            parts.append(f'<path d="M{x} {_TOP}V{bottom}" stroke="{_GRID}"/><text x="{x}" y="{bottom + 16}">{at:%Y-%m-%d}</text>')
        at = (at + timedelta(days=32)).replace(day=1)
    for value in range(int(-(-scale.least // 20)) * 20, int(scale.most) + 1, 20):
        y = scale.y(value)
        parts.append(
            f'<path d="M{_LEFT} {y}H{_LEFT + _WIDTH}" stroke="{_GRID}"/><text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{value}</text>'
        )
    return parts


def when(micros: int) -> str:
    """A time, to the minute."""
    return f"{datetime.fromtimestamp(micros // MINUTE * 60, UTC):%Y-%m-%d %H:%M}"
