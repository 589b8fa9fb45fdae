"""The largest revision of each area as one small SVG that stands alone: no fonts, scripts or styles from elsewhere."""

from collections.abc import Sequence

from pce_pipeline.bulletins.blocks import Bar
from pce_pipeline.markup import for_xml

_WIDTH, _ROW, _TOP = 760, 18, 44
_LABEL, _NUMBER = 40, 70
_MIDDLE, _REACH = 255, 140
_SAID, _LONGEST = 410, 56
_UP, _DOWN, _INK = "#3182bd", "#de2d26", "#333333"


def chart(title: str, subtitle: str, bars: Sequence[Bar]) -> bytes:
    """The bars as an SVG image, up to the right in blue, down to the left in red; without bars it says so."""
    longest = max((abs(bar.percent) for bar in bars), default=0.0) or 1.0
    height = _TOP + _ROW * max(len(bars), 1) + 8
    size = f"width='{_WIDTH}' height='{height}'"
    lines = [
        f"<svg xmlns='http://www.w3.org/2000/svg' role='img' {size} viewBox='0 0 {_WIDTH} {height}'>",
        f"<title>{for_xml(title)}</title>",
        f"<rect {size} fill='#ffffff'/>",
        _text(8, 16, title, size=13),
        _text(8, 32, subtitle),
        *(line for place, bar in enumerate(bars) for line in _bar(place, bar, longest)),
        *([] if bars else [_text(8, _TOP + 12, "No figure of a total was revised.")]),
        "</svg>",
    ]
    return ("\n".join(lines) + "\n").encode()


def _bar(place: int, bar: Bar, longest: float) -> list[str]:
    top = _TOP + place * _ROW
    base = top + 12
    length = max(round(_REACH * abs(bar.percent) / longest), 1)
    left, color = (_MIDDLE - length, _DOWN) if bar.percent < 0 else (_MIDDLE, _UP)
    return [
        _text(8, base, bar.label),
        _text(_LABEL + _NUMBER, base, f"{bar.percent:+,.2f} %", anchor="end"),
        f"<rect x='{left}' y='{top + 3}' width='{length}' height='{_ROW - 6}' fill='{color}'/>",
        _text(_SAID, base, bar.said if len(bar.said) <= _LONGEST else f"{bar.said[: _LONGEST - 1]}…"),
    ]


def _text(x: int, y: int, text: str, *, size: int = 11, anchor: str = "start") -> str:
    return (
        f"<text x='{x}' y='{y}' fill='{_INK}' text-anchor='{anchor}' font-family='sans-serif' font-size='{size}'>"
        f"{for_xml(text)}</text>"
    )
