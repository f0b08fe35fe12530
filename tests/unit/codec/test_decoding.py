"""Decoding: every bad message is refused with its code and a detail, whatever the bytes."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.codec.decoding import MESSAGE_BYTES_MAX, Decoded, Undecodable, decode
from ledger.codec.fields import DECIMAL_PATTERN, ID_PATTERN, TIME_PATTERN
from ledger.codec.wire import ROLE_OF_KIND
from ledger.core.events import Deposit, Event, Instrument, Trade, TradeBust
from ledger.core.units import Fixed
from tests.unit.codec.messages import DEPOSIT, INSTRUMENT, MESSAGES, TIER, text

NO_AMOUNTS: list[object] = [
    *(
        1,
        1.5,
        True,
        None,
        [],
        {},
        "",
        "-",
        ".5",
        "5.",
        "+1",
        " 1",
        "1 ",
        "1e5",
        "0x1",
        "1,5",
        "1_0",
    ),
    *("--1", "1.2.3", "1.-2", "NaN", "Infinity", "\u0661", "\uff11", "1" * 61, "-1", "0", "-0"),
]


def short(raw: bytes) -> str:
    return f"{len(raw)} bytes {raw[:12]!r} {raw[-8:]!r}"


def accepted(raw: bytes) -> Event:
    decoded = decode(raw)
    assert isinstance(decoded, Decoded), decoded
    return decoded.event


def refused(raw: bytes, code: str, detail: str = "") -> Undecodable:
    decoded = decode(raw)
    assert isinstance(decoded, Undecodable), decoded
    assert decoded.rejection.code == code, decoded.rejection
    assert decoded.rejection.detail
    assert detail in decoded.rejection.detail
    return decoded


def test_every_kind_has_a_message_here() -> None:
    assert set(MESSAGES) == set(ROLE_OF_KIND)


@pytest.mark.parametrize("kind", MESSAGES)
def test_every_kind_keeps_its_fields(kind: str) -> None:
    message = MESSAGES[kind]
    event = accepted(text(message))
    assert event.kind == kind
    assert (event.event_id, event.pool, event.version) == ("e-1", "main", 1)
    assert event.occurred_at == 1_767_225_600_000_000
    assert set(event.fact._fields) >= message.keys() - {"kind", "event_id", "occurred_at"}
    for name, value in message.items():
        found = getattr(event.fact, name, None)
        if isinstance(found, str):
            assert found == value
        elif isinstance(found, Fixed):
            assert found == plain(value)


def plain(written: str) -> Fixed:
    whole, _, fraction = written.partition(".")
    return Fixed(int(whole + fraction), len(fraction))


@pytest.mark.parametrize("kind", MESSAGES)
def test_every_field_that_has_no_default_is_missed(kind: str) -> None:
    message = MESSAGES[kind]
    for name in message:
        left = {key: value for key, value in message.items() if key != name}
        code = "unknown_kind" if name == "kind" else "missing_field"
        refused(text(left), code, "" if name == "kind" else f"{name}: ")


@pytest.mark.parametrize("kind", MESSAGES)
def test_an_unknown_field_is_refused_in_every_kind(kind: str) -> None:
    refused(text(MESSAGES[kind], colour="red"), "unknown_field", "colour: ")


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("1", Fixed(1, 0)),
        ("1.50", Fixed(15, 1)),
        ("007.0", Fixed(7, 0)),
        ("0.000000000000000001", Fixed(1, 18)),
        ("9" * 60, Fixed(10**60 - 1, 0)),
        ("100", Fixed(100, 0)),
    ],
)
def test_a_decimal_is_read_exactly(written: str, found: Fixed) -> None:
    assert accepted(text(DEPOSIT, amount=written)).fact == Deposit("anna", "USD", found)


def test_minus_zero_is_zero() -> None:
    fact = accepted(text(MESSAGES["trade"], buyer_fee="-0.00", seller_fee="-0.5")).fact
    assert isinstance(fact, Trade)
    assert (fact.buyer_fee, fact.seller_fee) == (Fixed(0, 0), Fixed(-5, 1))


@pytest.mark.parametrize("amount", NO_AMOUNTS, ids=ascii)
def test_a_bad_amount_is_an_invalid_field(amount: object) -> None:
    found = refused(text(DEPOSIT, amount=amount), "invalid_field", "amount: must be ")
    assert (found.is_object, found.kind, found.event_id, found.pool) == (
        True,
        "deposit",
        "e-1",
        "main",
    )


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 4000])
def test_a_number_that_is_no_amount_is_an_invalid_field(number: str) -> None:
    refused(text(DEPOSIT).replace(b'"1.5"', number.encode()), "invalid_field", "amount: ")


@pytest.mark.parametrize(
    "account", ["", "a" * 65, "a b", "\u00e4", "a@b", "@house", "a\n", "a/b", 1, None, ["a"]]
)
def test_a_bad_id_is_an_invalid_field(account: object) -> None:
    refused(text(DEPOSIT, account=account), "invalid_field", "account: ")


@pytest.mark.parametrize("account", ["a", "A" * 64, "a.b_c:d-9", "-", "0"])
def test_a_good_id_is_taken(account: str) -> None:
    assert accepted(text(DEPOSIT, account=account))


def test_only_sides_of_trades_and_owners_of_lines_may_be_the_house() -> None:
    assert accepted(text(MESSAGES["trade"], seller="@liquidation"))
    refused(text(MESSAGES["trade"], seller="@house"), "invalid_field", "seller: ")
    lines = MESSAGES["adjustment"]["lines"]
    owned = [{**lines[0], "owner": "@liquidation"}, {**lines[1], "owner": "@house"}]
    assert accepted(text(MESSAGES["adjustment"], lines=owned))
    wrong = [{**lines[0], "owner": "@bank"}, lines[1]]
    refused(text(MESSAGES["adjustment"], lines=wrong), "invalid_field", "lines.0.owner: ")


@pytest.mark.parametrize(
    ("written", "microseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.5Z", 1_500_000),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("2024-02-29T00:00:00.000001Z", 1_709_164_800_000_001),
    ],
)
def test_a_time_is_read_to_the_microsecond(written: str, microseconds: int) -> None:
    assert accepted(text(DEPOSIT, occurred_at=written)).occurred_at == microseconds


@pytest.mark.parametrize(
    "written",
    [
        "2026-12-31T23:59:60Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:00+00:00",
        "2026-01-01T00:00:00-00:00",
        "2026-01-01T01:00:00+01:00",
        "2026-01-01T00:00:00.1234567Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00,5Z",
        "2026-01-01t00:00:00Z",
        "2026-01-01T00:00:00z",
        "2026-01-01 00:00:00Z",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00Z",
        "2026-01-01",
        "20260101T000000Z",
        "2026-W01-1T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "2026-01-01T-1:00:00Z",
        "\u0662026-01-01T00:00:00Z",
        "",
        1767225600,
        None,
    ],
    ids=ascii,
)
def test_another_time_is_an_invalid_field(written: object) -> None:
    refused(text(DEPOSIT, occurred_at=written), "invalid_field", "occurred_at: must be a UTC time")


@pytest.mark.parametrize("version", [0, 2, -1, 1.0, True, "1", None, [1]], ids=ascii)
def test_another_version_is_not_supported(version: object) -> None:
    refused(text(DEPOSIT, version=version), "unsupported_version", "version: ")


@pytest.mark.parametrize("kind", ["", "Deposit", "zap", None, 1, [], {}], ids=ascii)
def test_an_unknown_kind_is_refused(kind: object) -> None:
    found = refused(text(DEPOSIT, kind=kind), "unknown_kind")
    assert (found.is_object, found.event_id, found.pool) == (True, "e-1", "main")


@pytest.mark.parametrize(
    "reason", ["", "a\nb", "a\tb", "\u0000", "\u007f", "\u202e", "\u2028", "x" * 1001, 5]
)
def test_a_reason_is_printable_and_on_one_line(reason: object) -> None:
    refused(text(MESSAGES["trade_bust"], reason=reason), "invalid_field", "reason: ")


def test_a_reason_may_be_of_any_language() -> None:
    fact = accepted(text(MESSAGES["trade_bust"], reason="Irrtum, \u2713 \u932f")).fact
    assert isinstance(fact, TradeBust)
    assert fact.reason == "Irrtum, \u2713 \u932f"


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"tiers": []}, "tiers: "),
        ({"tiers": None}, "tiers: "),
        ({"tiers": [1]}, "tiers.0: "),
        ({"tiers": [TIER] * 101}, "tiers: "),
        ({"tiers": [{**TIER, "notional_cap": "0"}]}, "tiers.0.notional_cap: "),
        ({"tiers": [{**TIER, "initial_rate": "-1"}]}, "tiers.0.initial_rate: "),
        ({"price_scale": 19}, "price_scale: "),
        ({"price_scale": -1}, "price_scale: "),
        ({"price_scale": 2.0}, "price_scale: "),
        ({"price_scale": True}, "price_scale: "),
        ({"price_scale": "2"}, "price_scale: "),
        ({"type": "quanto"}, "type: "),
        ({"multiplier": "0"}, "multiplier: "),
        ({"price_band": "0"}, "price_band: "),
        ({"price_max_age": 0}, "price_max_age: "),
        ({"price_confirmations": 0}, "price_confirmations: "),
        ({"expiry": "tomorrow"}, "expiry: "),
    ],
    ids=str,
)
def test_a_bad_listing_is_an_invalid_field(changes: dict[str, Any], detail: str) -> None:
    refused(text(INSTRUMENT, **changes), "invalid_field", detail)


def test_a_listing_with_everything_is_read() -> None:
    changes = {"expiry": "2026-03-27T08:00:00Z", "price_band": "0.05", "price_max_age": 60}
    fact = accepted(text(INSTRUMENT, **changes, price_confirmations=5)).fact
    assert isinstance(fact, Instrument)
    assert fact.expiry == 1_774_598_400_000_000
    assert (fact.price_band, fact.price_max_age, fact.price_confirmations) == (Fixed(5, 2), 60, 5)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b'"deposit"',
        b"5",
        b"NaN",
        b"{",
        b'{"kind"}',
        b"{'kind': 1}",
        text(DEPOSIT) + text(DEPOSIT),
        text(DEPOSIT) + b"x",
        text(DEPOSIT)[:-1],
        text(DEPOSIT)[:-1] + b",}",
        b"\xef\xbb\xbf" + text(DEPOSIT),
        text(DEPOSIT).replace(b'"anna"', b'"\\ud800"'),
        text(DEPOSIT).replace(b'"anna"', b'"\x01"'),
        text(DEPOSIT)[:-1] + b',"x":' + b"9" * 5000 + b"}",
        text(DEPOSIT)[:-1] + b',"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b"[" * 500_000,
        b'{"a":' * 150_000,
    ],
    ids=short,
)
def test_what_is_no_json_object_is_malformed(raw: bytes) -> None:
    found = refused(raw, "malformed_json")
    assert (found.is_object, found.kind, found.event_id, found.pool) == (False, None, None, None)


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff",
        b'{"kind":"\xc3\x28"}',
        json.dumps(DEPOSIT).encode("utf-16"),
        b'{"kind":"\xed\xa0\x80"}',
        b'{"kind":"\xc0\x80"}',
        b"{\xff" + b"[" * 1000,
    ],
    ids=short,
)
def test_what_is_not_utf8_is_refused_before_it_is_read(raw: bytes) -> None:
    refused(raw, "invalid_utf8", "byte ")


def test_a_message_of_the_largest_size_is_read_and_a_larger_one_is_not() -> None:
    padded = text(DEPOSIT).ljust(MESSAGE_BYTES_MAX)
    assert accepted(padded)
    refused(padded + b" ", "message_too_large", "1048577")
    refused(b"\xff" * (MESSAGE_BYTES_MAX + 1), "message_too_large")


def test_of_a_field_that_stands_twice_the_last_one_counts() -> None:
    fact = accepted(text(DEPOSIT)[:-1] + b',"amount":"9"}').fact
    assert fact == Deposit("anna", "USD", Fixed(9, 0))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": "zap", "version": 2}, "unknown_kind"),
        ({"version": 2, "amount": None, "colour": 1}, "unsupported_version"),
        ({"amount": ..., "colour": 1, "account": ""}, "missing_field"),
        ({"colour": 1, "account": ""}, "unknown_field"),
    ],
    ids=str,
)
def test_the_first_reason_in_order_is_given(changes: dict[str, Any], code: str) -> None:
    message = {**DEPOSIT, **changes}
    left = {name: value for name, value in message.items() if value is not ...}
    refused(text(left), code)


@pytest.mark.parametrize(
    ("pool", "found"), [("@unrouted/0", "@unrouted/0"), (None, None), (5, None), ("a\nb", None)]
)
def test_the_pool_of_a_refused_message_is_told_only_if_it_is_readable(
    pool: object, found: str | None
) -> None:
    assert refused(text(DEPOSIT, pool=pool), "invalid_field", "pool: ").pool == found


def test_a_detail_is_printable_and_bounded() -> None:
    long = text(DEPOSIT, **{"\n\u202e" * 5000: 1})
    detail = refused(long, "unknown_field").rejection.detail
    assert detail.isprintable()
    assert len(detail) <= 500


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(
    st.binary(max_size=200) | st.text().map(str.encode) | JSON.map(lambda x: json.dumps(x).encode())
)
def test_any_bytes_are_decoded_or_refused(raw: bytes) -> None:
    assert isinstance(decode(raw), Decoded | Undecodable)


@settings(max_examples=500)
@given(st.sampled_from(sorted(MESSAGES)), st.data())
def test_any_value_in_any_field_is_decoded_or_refused(kind: str, choice: st.DataObject) -> None:
    message = dict(MESSAGES[kind])
    message[choice.draw(st.sampled_from(sorted(message)))] = choice.draw(JSON)
    decoded = decode(json.dumps(message).encode())
    assert isinstance(decoded, Decoded | Undecodable)
    if isinstance(decoded, Undecodable):
        assert decoded.rejection.detail.isprintable()


@given(st.from_regex(DECIMAL_PATTERN) | st.text(alphabet="-+.0159 e\n", max_size=8))
def test_decimals_are_what_the_published_pattern_says(written: str) -> None:
    fits = re.fullmatch(DECIMAL_PATTERN[1:-1], written, re.ASCII) is not None
    fits = fits and sum(character.isdigit() for character in written) <= 60
    fee = text(MESSAGES["trade"], buyer_fee=written)
    assert isinstance(decode(fee), Decoded if fits else Undecodable)


@given(st.from_regex(ID_PATTERN) | st.text(max_size=70))
def test_ids_are_what_the_published_pattern_says(written: str) -> None:
    fits = re.fullmatch(ID_PATTERN[1:-1], written, re.ASCII) is not None
    assert isinstance(decode(text(DEPOSIT, account=written)), Decoded if fits else Undecodable)


@settings(max_examples=500)
@given(
    st.from_regex(TIME_PATTERN)
    | st.text(alphabet="0123456789-:.TZW+, ", min_size=17, max_size=28)
    | st.datetimes().map(lambda when: when.isoformat() + "Z")
)
def test_times_are_what_the_published_pattern_says(written: str) -> None:
    fits = re.fullmatch(TIME_PATTERN[1:-1], written, re.ASCII) is not None
    if fits:
        fits = is_real(written)
    assert isinstance(decode(text(DEPOSIT, occurred_at=written)), Decoded if fits else Undecodable)


def is_real(written: str) -> bool:
    try:
        datetime.strptime(written[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return False
    return int(written[17:19]) < 60
