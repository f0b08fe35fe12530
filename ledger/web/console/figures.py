"""How figures, moments and ids are written on a page: exact, aligned, and copied as they stand.

Rules of this file:

* A figure has all of its decimals, those of its commodity. Groups of three are set apart by margins
  and not by characters, so that what is copied is the number itself. Zeros at the end are pale.
* Whatever is not written here goes through the templates' escaping.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from markupsafe import Markup

from ledger.web.console.exact import EXACT, shortened

_WHOLE, _NEAR = 100, 66
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NONE = Markup('<span class="none" title="none">–</span>')


def figure(value: Decimal | int | str | None, scale: int | None = None) -> Markup:
    """An exact figure; `scale` pads its decimals, and never cuts any."""
    if value is None:
        return NONE
    number = Decimal(value)
    text = f"{number:f}"
    whole, _, decimals = text.lstrip("-").partition(".")
    decimals = decimals.ljust(scale or 0, "0")
    kept = decimals.rstrip("0")
    inside = "".join([f'<span class="g">{group}</span>' for group in _groups(whole)])
    if decimals:
        pale = decimals[len(kept) :]
        inside += f".{kept}" if kept else ""
        inside += f'<span class="z">{"" if kept else "."}{pale}</span>' if pale else ""
    kind = "n neg" if number < 0 else "n zero" if number == 0 else "n"
    sign = "-" if number < 0 else ""
    made = f'<span class="{kind}">{sign}{inside}</span>'
    return Markup(made)  # noqa: S704 - digits in our own words; hundreds of them stand on a page


def signed(value: Decimal | None, scale: int | None = None) -> Markup:
    """A figure whose sign means gain or loss."""
    text = figure(value, scale)
    gains = value is not None and Decimal(value) > 0
    return Markup('<span class="gain">{}</span>').format(text) if gains else text


def _groups(whole: str) -> Iterator[str]:
    first = len(whole) % 3 or 3
    yield whole[:first]
    for start in range(first, len(whole), 3):
        yield whole[start : start + 3]


def percent(value: Decimal | None) -> Markup:
    """A ratio in percent to two decimals; its title has all of them."""
    if value is None:
        return NONE
    short = shortened(Decimal(value).scaleb(2, EXACT), 2)
    return Markup('<span class="n" title="{}">{} %</span>').format(f"{value:f}", f"{short:f}")


def times(value: Decimal | None) -> Markup:
    """How many times something, to two decimals; its title has all of them."""
    if value is None:
        return NONE
    return Markup('<span class="n" title="{}">{}</span><span class="muted">×</span>').format(
        f"{value:f}", f"{shortened(value, 2):f}"
    )


def reciprocal(rate: Decimal | str) -> Markup:
    """One over a rate above zero, to two decimals; its title says what was divided."""
    hundredths = Decimal(round(Fraction(100) / Fraction(Decimal(rate))))
    shown = f"{hundredths.scaleb(-2, EXACT):f}"
    return Markup('<span class="n" title="1 / {}">{}</span><span class="muted">×</span>').format(
        rate, shown
    )


def moment(value: datetime | str | None) -> Markup:
    """A moment in UTC, to the millisecond or as exact as it is."""
    if value is None:
        return NONE
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    digits = "microseconds" if found.microsecond % 1000 else "milliseconds"
    shown = found.isoformat(sep=" ", timespec=digits if found.microsecond else "seconds")
    shown = shown.replace("+00:00", "")
    return Markup('<time datetime="{}">{}<span class="z">Z</span></time>').format(
        found.isoformat(), shown
    )


def plain_moment(value: datetime) -> str:
    """A moment in UTC as words, to the second."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def words(value: object) -> str:
    """A name of the books as words."""
    return str(value).replace("_", " ")


def short(digest: str) -> Markup:
    """The beginning of a hash, with all of it to copy."""
    return Markup(
        '<button type="button" class="hash" data-copy="{0}" title="Copy {0}">{1}…</button>'
    ).format(digest, digest[:12])


def span(seconds: float) -> str:
    """A length of time in its two largest units."""
    whole = int(abs(seconds))
    units = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)]
    parts: list[str] = []
    for name, size in units:
        count, whole = divmod(whole, size)
        if count or (name == "s" and not parts):
            parts.append(f"{count} {name}")
    return " ".join(parts[:2])


def bar(part: Decimal | None, whole: Decimal | None) -> Markup:
    """A part of a whole as a bar of 100 units; past the whole it is full and marked."""
    if part is None or whole is None or whole <= 0:
        share = _WHOLE if part else 0
    else:
        share = int(min(Decimal(_WHOLE), max(Decimal(0), part / whole * _WHOLE)))
    level = "over" if share >= _WHOLE else "near" if share >= _NEAR else "calm"
    return Markup(
        '<svg class="bar {}" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="all" width="100" height="8"/><rect class="part" width="{}" height="8"/></svg>'
    ).format(level, max(share, 1))


def pretty(body: object) -> str:
    """JSON for people."""
    return json.dumps(body, indent=2, ensure_ascii=False)


def exact(value: str | Decimal) -> Decimal:
    """A figure of a record, to reckon with."""
    return Decimal(value)


def units(value: int, scale: int) -> Markup:
    """Smallest units as a figure in natural units."""
    return figure(Decimal(value).scaleb(-scale, EXACT), scale)


def micros(value: int | None) -> Markup:
    """Microseconds since 1970 as a moment."""
    return NONE if value is None else moment(_EPOCH + timedelta(microseconds=value))


FILTERS = {
    "exact": exact,
    "units": units,
    "micros": micros,
    "pretty": pretty,
    "figure": figure,
    "signed": signed,
    "percent": percent,
    "times": times,
    "reciprocal": reciprocal,
    "moment": moment,
    "plain_moment": plain_moment,
    "words": words,
    "short": short,
    "span": span,
    "bar": bar,
}
