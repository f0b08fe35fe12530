"""Which of Kafka's exceptions a run starts over after, and which stop it."""

import pytest
from kafka import errors

from consumers.faults import translated
from ledger.errors import BrokerError, BrokerUnavailable, SourceChanged


@pytest.mark.parametrize(
    "fault",
    [
        errors.KafkaTimeoutError("nobody answered"),
        errors.KafkaConnectionError("socket disconnected"),
        errors.NotLeaderForPartitionError(),
        errors.OutOfOrderSequenceNumberError("a broker that lost its memory of the producer"),
        errors.UnknownProducerIdError(),
        errors.UnknownMemberIdError(),
        errors.BrokerNotAvailableError(),
        ConnectionResetError("reset by peer"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_what_new_clients_are_rid_of_is_started_over_after(fault: Exception) -> None:
    with pytest.raises(BrokerUnavailable, match="publishing"), translated("publishing"):
        raise fault


@pytest.mark.parametrize(
    "fault",
    [
        errors.TopicAuthorizationFailedError(),
        errors.SaslAuthenticationFailedError(),
        errors.MessageSizeTooLargeError(),
        errors.InvalidSessionTimeoutError(),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_what_needs_other_settings_or_rights_stops_a_run(fault: Exception) -> None:
    with pytest.raises(BrokerError, match="publishing") as raised, translated("publishing"):
        raise fault
    assert not raised.value.retriable


def test_an_offset_that_is_not_there_stops_a_run_as_a_changed_source() -> None:
    with pytest.raises(SourceChanged), translated("reading"):
        raise errors.OffsetOutOfRangeError
