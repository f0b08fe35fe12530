"""Days of statements: a date is a moment only once a time zone says when it begins and ends."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

SMALLEST = timedelta(microseconds=1)
"""Between two moments."""
LAST_SECOND = 59
"""Of a minute."""


def begin_of(day: date, zone: str) -> datetime:
    """The first moment of a day in this zone."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def end_of(day: date, zone: str) -> datetime:
    """The last microsecond of a day in this zone."""
    return begin_of(day + timedelta(days=1), zone) - SMALLEST


def whole_end(ends: datetime) -> datetime:
    """The last microsecond of an end like 23:59:59: who counts in seconds means the whole one."""
    counts_seconds = ends.second == LAST_SECOND and not ends.microsecond
    return ends + timedelta(seconds=1) - SMALLEST if counts_seconds else ends


def zoned(at: datetime, zone: str) -> datetime:
    """A time in UTC; one that says no zone is one of this zone."""
    return (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
