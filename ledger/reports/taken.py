"""What a report was taken at, in words: enough to check it, and to make it again."""

from datetime import UTC, datetime

from ledger.store.reports.books import Period


def period_words(period: Period) -> dict[str, str]:
    """Names and words, in the order in which they are shown."""
    events = "none" if period.opening == period.closing else f"{period.opening + 1}"
    words = {
        "Pool": period.pool,
        "Settlement asset": period.settlement,
        "First event": events,
        "Sequence": f"{period.closing}",
        "Pool time": moment(period.pool_time),
        "Hash chain": period.chain,
    }
    if period.covering is None:
        words["Checkpoint"] = f"no checkpoint yet that covers event {period.closing}"
    else:
        words["Checkpoint"] = f"after event {period.covering.sequence}"
        words["Checkpoint root"] = period.covering.root
        words["Checkpoint key"] = period.covering.key
    return words


def moment(at: datetime) -> str:
    """As RFC 3339, in UTC, with a fraction only where there is one."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def remarks(period: Period) -> tuple[str, ...]:
    """What is to be said now, and is no part of the report."""
    if period.is_over:
        return ()
    words = "the period is not over, and later events may still fall into it"
    return (f"pool time is {moment(period.pool_time)}: {words}",)
