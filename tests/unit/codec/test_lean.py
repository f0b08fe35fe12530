"""The short way to decode reads what it takes as the models do, to the byte."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.codec import decoding, lean, wire
from ledger.codec.fields import DECIMAL_PATTERN, ID_PATTERN, TIME_PATTERN
from tests.unit.codec.messages import MESSAGES

SHORT = ("price", "trade")
OPTIONAL: dict[str, dict[str, str]] = {
    "price": {"index_price": "1.50"},
    "trade": {"trade_id": "t-1", "liquidation_id": "L-1"},
}
DECIMALS = st.from_regex(DECIMAL_PATTERN) | st.text(alphabet="-+.019 e\n", max_size=6)
IDS = st.from_regex(ID_PATTERN) | st.sampled_from(["@liquidation", "@house", "", "a\n", "é"])
TIMES = st.from_regex(TIME_PATTERN, fullmatch=True) | st.sampled_from(
    [
        "2026-01-01T24:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-01-01T00:00:00Z\n",
        "0000-01-01T00:00:00Z",
    ]
)
ODD: st.SearchStrategy[Any] = st.sampled_from([None, True, 1, 1.0, 2, "1", [], {}])


def by_models(raw: bytes) -> decoding.Decoded | None:
    """As `decode` reads it without the short way."""
    try:
        event = decoding._event(decoding._validate(raw))
    except ValueError:
        return None
    return decoding.Decoded(event, decoding.content(event))


def same(raw: bytes) -> bool:
    """Whether the short way takes it; where it does, the models read the same."""
    short = lean.read(raw)
    if short is None:
        return False
    models = by_models(raw)
    assert models is not None, f"the models refuse {raw!r}"
    assert (short.event, short.content) == models
    assert type(short.event.fact) is type(models.event.fact)
    return True


@pytest.mark.parametrize("kind", SHORT)
def test_a_message_with_what_is_needed_alone_goes_the_short_way(kind: str) -> None:
    assert same(json.dumps(MESSAGES[kind]).encode())


@pytest.mark.parametrize("kind", SHORT)
@pytest.mark.parametrize("absent", [False, True])
def test_a_message_with_every_field_goes_the_short_way(kind: str, absent: bool) -> None:  # noqa: FBT001
    optional = {name: None if absent else value for name, value in OPTIONAL[kind].items()}
    message = MESSAGES[kind] | optional | {"pool": "coin", "version": 1}
    (model,) = [m for models in wire.MODELS.values() for m in models if wire.kind_of(m) == kind]
    assert message.keys() == model.model_fields.keys()
    assert same(json.dumps(message).encode())


@pytest.mark.parametrize("kind", sorted(set(MESSAGES) - set(SHORT)))
def test_other_kinds_are_left_to_the_models(kind: str) -> None:
    assert lean.read(json.dumps(MESSAGES[kind]).encode()) is None


@given(st.sampled_from(SHORT), st.data())
def test_whatever_a_field_holds_the_models_read_the_same(kind: str, choice: st.DataObject) -> None:
    message: dict[str, Any] = MESSAGES[kind] | OPTIONAL[kind] | {"pool": "coin", "version": 1}
    for name in choice.draw(st.sets(st.sampled_from([*message, "other"]), min_size=1)):
        message[name] = choice.draw(DECIMALS | IDS | TIMES | ODD)
    same(json.dumps(message, ensure_ascii=choice.draw(st.booleans())).encode())


@given(DECIMALS)
def test_decimals_are_read_as_the_models_read_them(written: str) -> None:
    taken = same(json.dumps(MESSAGES["trade"] | {"seller_fee": written}).encode())
    models = by_models(json.dumps(MESSAGES["trade"] | {"seller_fee": written}).encode())
    assert taken == (models is not None) or len(written) > 30


@given(TIMES)
def test_times_are_read_as_the_models_read_them(written: str) -> None:
    message = json.dumps(MESSAGES["price"] | {"occurred_at": written}).encode()
    assert same(message) == (by_models(message) is not None)


def test_of_a_field_that_stands_twice_the_last_one_counts_here_too() -> None:
    message = json.dumps(MESSAGES["price"])
    assert same(b'{"mark_price":"-1","event_id":"first",' + message[1:].encode())
    assert not same(message[:-1].encode() + b',"mark_price":"-1"}')
