"""What an RDAP answer says of a domain's registration (RFC 9083 §4.5, §5.3). Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from countersign.protocol.address import AddressSyntaxError, normalise_hostname

MAX_EVENTS = 200
MAX_TEXT = 100
"""Characters of an event's date or action; longer ones are no such thing."""
FIRST_REGISTRATION = date(1985, 1, 1)
"""No domain is older: an earlier date is a placeholder such as 1970-01-01."""

_BEGIN_ACTIONS = ("registration", "reregistration")
"""The age of a domain begins anew when somebody registers it again."""


class AnswerError(ValueError):
    """The answer does not tell the date; the message says why."""


class OtherNameError(AnswerError):
    """The answer is about another name than the one asked about."""


class RegistryEvent(NamedTuple):
    """An event as the registry wrote it; who acted is left out, as it may be a person."""

    action: str
    date: str


class Registration(NamedTuple):
    """When a domain's present registration began, and all events that the answer holds."""

    registered_on: date
    events: tuple[RegistryEvent, ...]


def read_domain(document: Any, name: str, today: date) -> Registration:
    """Read an answer to a question about ``name``, a normalised host name.

    Of several registrations the latest counts. Raises :class:`AnswerError`.
    """
    if not isinstance(document, dict) or document.get("objectClassName") != "domain":
        raise AnswerError("the answer is not about a domain")
    if _name_of(document) != name:
        raise OtherNameError("the answer is about another domain")
    events = tuple(_events(document.get("events")))
    begun = [event for event in events if _is_beginning(event.action)]
    if not begun:
        raise AnswerError("the registry does not say when the domain was registered")
    # One that cannot be read is never passed over: the domain would look older than it is.
    return Registration(max(_read_date(event.date, today) for event in begun), events)


def _name_of(document: dict[str, Any]) -> str:
    for field in ("ldhName", "unicodeName"):
        text = document.get(field)
        if isinstance(text, str) and text:
            try:
                return normalise_hostname(text)
            except AddressSyntaxError:
                return ""
    return ""


def _events(values: Any) -> list[RegistryEvent]:
    if values is None:
        return []
    if not isinstance(values, list) or len(values) > MAX_EVENTS:
        raise AnswerError("the list of events cannot be read")
    events = []
    for value in values:
        action = value.get("eventAction") if isinstance(value, dict) else None
        if not isinstance(action, str) or len(action) > MAX_TEXT:
            raise AnswerError("an event cannot be read")
        when = value.get("eventDate")
        if when is not None and not (isinstance(when, str) and len(when) <= MAX_TEXT):
            raise AnswerError("the date of an event cannot be read")
        events.append(RegistryEvent(action, when or ""))
    return events


def _is_beginning(action: str) -> bool:
    return action.strip().casefold().replace("-", "") in _BEGIN_ACTIONS


def _read_date(text: str, today: date) -> date:
    """Return the day in UTC of an RFC 3339 time."""
    try:
        moment = datetime.fromisoformat(text.strip())
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise AnswerError("the date of registration cannot be read") from None
    day = moment.date()
    # A day of tolerance: the registry's clock and ours need not agree.
    if not FIRST_REGISTRATION <= day <= today + timedelta(days=1):
        raise AnswerError("the date of registration cannot be true")
    return day
