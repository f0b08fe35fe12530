"""Kafka's exceptions, translated into the ledger's tree in this one place."""

from collections.abc import Iterator
from contextlib import contextmanager

from kafka import errors

from ledger.errors import BrokerError, BrokerUnavailable, SourceChanged


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise the ledger's faults instead of Kafka's.

    Args:
        doing: What was being done, for the message: `reading clearing.trades`.

    Raises:
        SourceChanged: The broker has no message at the place where we want to read on.
        BrokerUnavailable: It may work later.
        BrokerError: It will not work without a change of settings or rights.
    """
    try:
        yield
    except (errors.OffsetOutOfRangeError, errors.LogTruncationError) as fault:
        raise SourceChanged(
            f"{doing}: the broker has nothing at the next offset ({fault}). Messages were deleted"
            " before they were read, or the topic was truncated. Start again: the check at the"
            " start says which offsets are missing, and what to do"
        ) from fault
    except errors.KafkaError as fault:
        words = f"{doing}: {type(fault).__name__}: {fault}"
        if fault.retriable:
            raise BrokerUnavailable(words) from fault
        raise BrokerError(words) from fault
    except OSError as fault:
        raise BrokerUnavailable(f"{doing}: {fault}") from fault
