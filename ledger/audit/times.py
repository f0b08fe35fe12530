"""Moments as they are shown, to and from microseconds since 1970."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(microseconds_: int) -> str:
    """RFC 3339, to the microsecond where it has any."""
    at = _EPOCH + timedelta(microseconds=microseconds_)
    return at.isoformat().replace("+00:00", "Z")


def microseconds(text: str) -> int:
    """The moment that `moment` wrote."""
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)
