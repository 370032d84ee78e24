"""How values are written on a page: money, times, numbers, states. Pure."""

from __future__ import annotations

import datetime
from decimal import Decimal

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, format_decimal, get_currency_precision
from markupsafe import Markup, escape

LOCALE = Locale.parse("en_GB")
"""The one language of the website; dates as '3 March 2031', sums as 'US$2,500.00'."""

_TONES: dict[str, str] = {
    **dict.fromkeys(("active", "paid", "passed", "accepted", "clean", "confirmed", "done"), "good"),
    **dict.fromkeys(("accredited", "held", "refunded", "trusted", "verified", "true"), "good"),
    **dict.fromkeys(("submitted", "screened", "tested", "running", "new", "asked"), "info"),
    **dict.fromkeys(("offered", "due", "lapsed", "doubtful", "pending", "waiting"), "warn"),
    **dict.fromkeys(("open", "partly-paid", "review", "not-tested", "locked"), "warn"),
    **dict.fromkeys(("suspended", "denied", "deregistered", "overdue", "failed"), "bad"),
    **dict.fromkeys(("forfeited", "declined", "revoked", "upheld", "false", "dead"), "bad"),
}


def money(minor: int, currency: str) -> str:
    """Return an amount of money; minor: integer in the currency's minor unit (ISO 4217)."""
    major = Decimal(minor).scaleb(-get_currency_precision(currency))
    return format_currency(major, currency, locale=LOCALE)


def number(value: float | Decimal) -> str:
    """Return a number with separators of thousands."""
    return format_decimal(value, locale=LOCALE)


def _utc(value: datetime.datetime) -> datetime.datetime:
    if value.tzinfo is None:
        raise ValueError("a time without a time zone")
    return value.astimezone(datetime.UTC)


def date(value: datetime.date) -> Markup:
    """Return a day, or a moment's day in UTC, as a ``<time>`` element: '3 March 2031'."""
    day = _utc(value).date() if isinstance(value, datetime.datetime) else value
    text = format_date(day, "d MMMM y", locale=LOCALE)
    return Markup('<time datetime="{}">{}</time>').format(day.isoformat(), text)


def moment(value: datetime.datetime) -> Markup:
    """Return a moment in UTC as a ``<time>`` element: '3 March 2031, 14:05 UTC'."""
    when = _utc(value)
    text = format_datetime(when, "d MMMM y, HH:mm", locale=LOCALE)
    stamp = when.strftime("%Y-%m-%dT%H:%M:%SZ")
    return Markup('<time datetime="{}">{} <abbr>UTC</abbr></time>').format(stamp, text)


def relative(value: datetime.date, now: datetime.datetime) -> Markup:
    """Return how many days a day is away: 'today', 'in 3 days', '2 months ago'.

    The whole date is in the element's title.
    """
    day = _utc(value).date() if isinstance(value, datetime.datetime) else value
    text = _distance((day - _utc(now).date()).days)
    title = format_date(day, "d MMMM y", locale=LOCALE)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(day.isoformat(), title, text)


def _distance(days: int) -> str:
    near = {-1: "yesterday", 0: "today", 1: "tomorrow"}
    if days in near:
        return near[days]
    size = abs(days)
    count, unit = (size, "day")
    if size >= 730:
        count, unit = size // 365, "year"
    elif size >= 60:
        count, unit = size // 30, "month"
    text = f"{number(count)} {unit}{'' if count == 1 else 's'}"
    return f"in {text}" if days > 0 else f"{text} ago"


def days(value: int) -> str:
    """Return a number of days in words: '1 day', '1,204 days'."""
    return f"{number(value)} {'day' if abs(value) == 1 else 'days'}"


def wording(value: object) -> str:
    """Return a code as words: 'not-tested' becomes 'Not tested'."""
    text = str(value).replace("-", " ").replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def badge(value: object, tone: str = "") -> Markup:
    """Return a badge with a state's word and colour.

    tone: good, info, warn, bad or neutral; by default the one that belongs to the word.
    """
    chosen = tone or _TONES.get(str(value).strip().lower().replace(" ", "-"), "neutral")
    return Markup('<span class="badge tone-{}">{}</span>').format(chosen, wording(value))


def host(name: str) -> Markup:
    """Return a host name that a narrow page may break behind its dots."""
    return Markup(".<wbr>").join(escape(part) for part in name.split("."))


def size(octets: int) -> str:
    """Return a file's size: '812 bytes', '3.4 MB'."""
    if octets < 1000:
        return f"{octets} bytes"
    if octets < 1_000_000:
        return f"{number(round(octets / 1000))} kB"
    return f"{number(round(octets / 1_000_000, 1))} MB"


def escaped_lines(text: str) -> Markup:
    """Return text with its line breaks kept, everything else escaped."""
    return Markup("<br>").join(escape(line) for line in text.splitlines())
