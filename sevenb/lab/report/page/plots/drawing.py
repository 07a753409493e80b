"""What every plot is made of: a sheet of SVG elements, scales, ticks, a legend, and the file around them.

Colours are classes: a page gives them its own by `STYLE` or rules of the same names; a file carries `STYLE` with it.
Nothing here trusts a text: names and labels are escaped and cut.
"""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape as escape_html

from sevenb.lab.report.page.foreign_text import visible

SERIES = 6  # colours; more subjects begin again with the first

STYLE = """
.plot text { font: 12.5px system-ui, sans-serif; fill: #57606a }
.plot .title { font-weight: 600; fill: #24292f }
.plot .grid { stroke: #8c959f; stroke-opacity: .3 } .plot .limit { stroke: #b3261e; stroke-dasharray: 5 4 }
.plot .line { fill: none; stroke-width: 2.25 } .plot .whisker { stroke-width: 1.25; fill: none; stroke-opacity: .65 }
.plot .dashed { stroke-dasharray: 6 4 } .plot .published { fill: none; stroke: #24292f; stroke-width: 1.75 }
.plot .s0 { stroke: #3352cc } .plot .s1 { stroke: #c2571a } .plot .s2 { stroke: #1f7a5c }
.plot .s3 { stroke: #8f3f97 } .plot .s4 { stroke: #8a6d00 } .plot .s5 { stroke: #64748b }
.plot .f0 { fill: #3352cc } .plot .f1 { fill: #c2571a } .plot .f2 { fill: #1f7a5c }
.plot .f3 { fill: #8f3f97 } .plot .f4 { fill: #8a6d00 } .plot .f5 { fill: #64748b }
"""
DARK_STYLE = """
.plot text { fill: #aeaba2 } .plot .title { fill: #ecebe6 }
.plot .limit { stroke: #ff9b90 } .plot .published { stroke: #ecebe6 }
.plot .s0 { stroke: #8aa0f8 } .plot .s1 { stroke: #f0986a } .plot .s2 { stroke: #6cc5a0 }
.plot .s3 { stroke: #d08fd8 } .plot .s4 { stroke: #d8bd5a } .plot .s5 { stroke: #a3b0c2 }
.plot .f0 { fill: #8aa0f8 } .plot .f1 { fill: #f0986a } .plot .f2 { fill: #6cc5a0 }
.plot .f3 { fill: #d08fd8 } .plot .f4 { fill: #d8bd5a } .plot .f5 { fill: #a3b0c2 }
"""

WIDTH = 460
TEXT_HEIGHT = 17
_LONGEST = 44  # cells of a name in a legend


@dataclass
class Sheet:
    """A drawing as it grows."""

    height: float = 0
    parts: list[str] = field(default_factory=list)
    width: float = WIDTH

    def text(self, x: float, y: float, text: str, anchor: str = "start", style: str = "") -> None:
        """Words, their baseline at ``y``."""
        classes = f' class="{style}"' if style else ""
        self.parts.append(f'<text{classes} x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}">{escape(text)}</text>')

    def path(self, style: str, points: Sequence[tuple[float, float]]) -> None:
        """Straight lines from point to point."""
        way = "L".join(f"{_n(x)} {_n(y)}" for x, y in points)
        self.parts.append(f'<path class="{style}" d="M{way}"/>')

    def bar(self, style: str, x: float, y: float, width: float, height: float) -> None:
        """A filled rectangle."""
        self.parts.append(f'<rect class="{style}" x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"/>')

    def marker(self, series: int, x: float, y: float, size: float = 4) -> None:
        """A point of a series: each has its own shape, so that they differ without colour."""
        colour = f"f{series % SERIES}"
        shape = series % 4
        if shape == 0:
            self.parts.append(f'<circle class="{colour}" cx="{_n(x)}" cy="{_n(y)}" r="{_n(size)}"/>')
            return
        corners = {
            1: ((-1, -1), (1, -1), (1, 1), (-1, 1)),
            2: ((0, -1.25), (1.2, 0.9), (-1.2, 0.9)),
            3: ((0, -1.35), (1.35, 0), (0, 1.35), (-1.35, 0)),
        }[shape]
        way = "L".join(f"{_n(x + size * across)} {_n(y + size * down)}" for across, down in corners)
        self.parts.append(f'<path class="{colour}" d="M{way}Z"/>')

    def legend(self, left: float, top: float, entries: Sequence[tuple[int, str]], *, boxes: bool = False) -> float:
        """Names of series from ``top`` down, as many in a line as there is room for; returns where it ends."""
        x = left
        for series, name in entries:
            label = shortened(name)
            needed = 18 + text_width(label) + 14
            if x > left and x + needed > self.width:
                x, top = left, top + TEXT_HEIGHT
            if boxes:
                self.bar(f"f{series % SERIES}", x, top + 3, 10, 10)
            else:
                self.marker(series, x + 5, top + 8)
            self.text(x + 16, top + 12, label)
            x += needed
        return top + TEXT_HEIGHT if entries else top


def inline(sheet: Sheet, key: str, title: str, description: str) -> str:
    """The drawing for a page; ``key`` tells the ids of its title and description from those of others."""
    return (
        f'<svg class="plot" viewBox="0 0 {_n(sheet.width)} {_n(sheet.height)}" role="img" '
        f'aria-labelledby="{escape(key)}-title {escape(key)}-text">'
        f'<title id="{escape(key)}-title">{escape(title)}</title><desc id="{escape(key)}-text">{escape(description)}'
        f"</desc>{''.join(sheet.parts)}</svg>"
    )


def svg_file(sheets: Sequence[Sheet], titles: Sequence[str]) -> str:
    """Drawings side by side as a file of their own, legible on light and on dark pages; each under its title."""
    width = sum(sheet.width for sheet in sheets) + 20 * (len(sheets) - 1)
    height = 28 + max(sheet.height for sheet in sheets)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" viewBox="0 0 {_n(width)} {_n(height)}" '
        f'width="{_n(width)}" height="{_n(height)}">',
        f"<style>{STYLE}@media (prefers-color-scheme: dark) {{{DARK_STYLE}}}</style>",
    ]
    left = 0.0
    for sheet, title in zip(sheets, titles, strict=True):
        lines.append(
            f'<g transform="translate({_n(left)} 28)"><text class="title" x="8" y="-10">{escape(title)}</text>'
        )
        lines += [*sheet.parts, "</g>"]
        left += sheet.width + 20
    return "\n".join([*lines, "</svg>", ""])


def escape(text: str) -> str:
    """A text that means nothing but itself."""
    return escape_html(visible(text))


def round_up(value: float) -> float:
    """The least of 1, 2, 4, 6, 8 and 10 times a power of ten that is not below ``value``; 1 for nothing."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 4, 6, 8, 10) if factor * power >= value * 0.9999)


def text_width(text: str) -> float:
    """About how wide a text is: characters of Chinese take two cells."""
    return 6.6 * sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def shortened(name: str, longest: int = _LONGEST) -> str:
    """A name that fits: its middle is left out where it is long, since versions and sizes stand at the ends."""
    if len(name) <= longest:
        return name
    return f"{name[: longest // 2]}…{name[-(longest // 2 - 1) :]}"


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
