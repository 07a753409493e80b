"""How figures are written: each with its unit, the same in both languages."""

from datetime import datetime

from sevenb.lab.statistics import Rate

NONE = "–"

_KIB = 1024


def seconds(value: float | None) -> str:
    """52 ms, 1.23 s, 45.1 s, 12 min 5 s, 2 h 5 min."""
    if value is None:
        return NONE
    if value < 0.9995:
        return f"{value * 1000:.3g} ms" if value < 0.0995 else f"{value * 1000:.0f} ms"
    if value < 9.995:
        return f"{value:.2f} s"
    if value < 119.95:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def rate(value: float | None, unit: str = "tok/s") -> str:
    """36.1 tok/s, 1,204 tok/s."""
    if value is None:
        return NONE
    return f"{plain(value)} {unit}"


def plain(value: float) -> str:
    """Three digits that matter, more before the point."""
    if value and abs(value) < 9.995:
        return f"{value:.2f}"
    return f"{value:.1f}" if abs(value) < 99.95 else f"{value:,.0f}"


def memory(value: float | None) -> str:
    """Bytes in powers of two, as memory is sold: 468 MiB, 1.75 GiB."""
    if value is None:
        return NONE
    for unit in ("B", "KiB", "MiB"):
        if value < 999.5:
            return f"{value:.0f} {unit}"
        value /= _KIB
    return f"{value:.2f} GiB" if value < 99.995 else f"{value:,.0f} GiB"


def percent(share: float | None, digits: int = 1) -> str:
    """53.7 %, of a share."""
    return NONE if share is None else f"{share * 100:.{digits}f} %"


def interval(measured: Rate) -> str:
    """46.0–61.1 %."""
    return f"{measured.low * 100:.1f}–{measured.high * 100:.1f} %"


def count(value: int | None) -> str:
    """12,288."""
    return NONE if value is None else f"{value:,}"


def tokens(value: int) -> str:
    """4K, 16K, 1.5K, 512: a length of context."""
    if value < 1000:
        return str(value)
    if value % _KIB == 0:
        return f"{value // _KIB}K"
    return f"{value / _KIB:.1f}K" if value % 1000 else f"{value // 1000}K"


def moment(text: str) -> str:
    """2026-11-22 10:24 UTC; what is no time stays as it is."""
    try:
        return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M UTC")
    except ValueError:
        return text


def digest(value: str | None) -> str:
    """The beginning of a hash."""
    return NONE if not value else value[:16]
