"""Kafka's exceptions, translated into the ledger's tree in this one place."""

from collections.abc import Iterator
from contextlib import contextmanager

from kafka import errors

from ledger.errors import BrokerError, BrokerUnavailable, SourceChanged

_GONE_WITH_THE_CLIENT = (
    errors.BrokerNotAvailableError,
    errors.DuplicateSequenceNumberError,
    errors.IllegalGenerationError,
    errors.InvalidProducerEpochError,
    errors.InvalidProducerIdMappingError,
    errors.OutOfOrderSequenceNumberError,
    errors.RebalanceInProgressError,
    errors.UnknownError,
    errors.UnknownMemberIdError,
    errors.UnknownProducerIdError,
)
"""Final for the client that met them: a broker restarted, forgot a producer, or moved a group on.
Whoever starts over does so with new clients, and is rid of them."""


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
        words = f"{doing}: {_words(fault)}"
        if fault.retriable or isinstance(fault, _GONE_WITH_THE_CLIENT):
            raise BrokerUnavailable(words) from fault
        raise BrokerError(words) from fault
    except OSError as fault:
        raise BrokerUnavailable(f"{doing}: {fault}") from fault


def _words(fault: errors.KafkaError) -> str:
    """What happened, without the request that it happened to where that is long, and what to do."""
    name = type(fault).__name__
    match fault:
        case errors.SaslAuthenticationFailedError():
            return (
                f"{name}: {fault}: the broker refused the user or the password, check"
                " CLEARING_KAFKA_SASL_USERNAME and CLEARING_KAFKA_SASL_PASSWORD or its file"
            )
        case errors.UnsupportedSaslMechanismError():
            return f"{name}: the broker has no such mechanism, check CLEARING_KAFKA_SASL_MECHANISM"
        case errors.AuthorizationError():
            return (
                f"{name}: the broker's lists do not allow that to this user;"
                " docs/reference/settings.md says what each command needs"
            )
        case _:
            return f"{name}: {fault}"
