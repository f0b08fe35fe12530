"""The codes of refusal, stable, in order of precedence: the first that applies is the one given.

Rules of this file:

* A code is never renamed and never changes its meaning; a new one is added at its place.
* Codes up to `event_id_conflict` come from the message as such, those after `quarantined` from the
  rules. `quarantined` is what two people decided, where the rules could not decide at all.
* `is_transient` tells a producer whether the very same message can succeed later.
"""

from enum import StrEnum


class Code(StrEnum):
    """Why an event was refused, in order of precedence."""

    MESSAGE_TOO_LARGE = "message_too_large"
    INVALID_UTF8 = "invalid_utf8"
    MALFORMED_JSON = "malformed_json"
    UNKNOWN_KIND = "unknown_kind"
    UNSUPPORTED_VERSION = "unsupported_version"
    MISSING_FIELD = "missing_field"
    UNKNOWN_FIELD = "unknown_field"
    INVALID_FIELD = "invalid_field"
    MISSING_KEY = "missing_key"
    KEY_MISMATCH = "key_mismatch"
    POOL_LIMIT = "pool_limit"
    UNKNOWN_POOL = "unknown_pool"
    WRONG_PARTITION = "wrong_partition"
    WRONG_TOPIC = "wrong_topic"
    EVENT_ID_CONFLICT = "event_id_conflict"
    TRADE_ARCHIVED = "trade_archived"
    QUARANTINED = "quarantined"

    UNKNOWN_ASSET = "unknown_asset"
    UNKNOWN_INSTRUMENT = "unknown_instrument"
    INSTRUMENT_EXPIRED = "instrument_expired"
    UNKNOWN_ACCOUNT = "unknown_account"
    UNKNOWN_TRADE = "unknown_trade"
    UNKNOWN_REQUEST = "unknown_request"
    SAME_ACCOUNT = "same_account"
    SAME_PERSON = "same_person"
    IMMUTABLE_FIELD = "immutable_field"
    NOT_ISOLATED = "not_isolated"
    NO_POSITION = "no_position"
    POSITION_OPEN = "position_open"
    INVALID_LINE = "invalid_line"
    TOO_MANY_DECIMALS = "too_many_decimals"
    OUT_OF_RANGE = "out_of_range"
    INVALID_TIERS = "invalid_tiers"
    ALREADY_BUSTED = "already_busted"
    BUST_TOO_LATE = "bust_too_late"
    NO_ASSET_PRICE = "no_asset_price"
    PRICE_OUT_OF_BAND = "price_out_of_band"
    REQUEST_EXISTS = "request_exists"
    REQUEST_MISMATCH = "request_mismatch"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    INSUFFICIENT_MARGIN = "insufficient_margin"
    UNBALANCED = "unbalanced"
    HOLD_MISMATCH = "hold_mismatch"
    VARIATION_WITHOUT_POSITION = "variation_without_position"
    ISOLATED_WITHOUT_POSITION = "isolated_without_position"
    INSURANCE_NEGATIVE = "insurance_negative"
    DEFICIT_POSITIVE = "deficit_positive"

    @property
    def is_transient(self) -> bool:
        """The same message may be accepted later, when something else has changed."""
        return self in _TRANSIENT


_TRANSIENT = frozenset(
    {
        Code.QUARANTINED,
        Code.POOL_LIMIT,
        Code.UNKNOWN_POOL,
        Code.UNKNOWN_ASSET,
        Code.UNKNOWN_INSTRUMENT,
        Code.UNKNOWN_ACCOUNT,
        Code.UNKNOWN_TRADE,
        Code.UNKNOWN_REQUEST,
        Code.REQUEST_EXISTS,
        Code.NOT_ISOLATED,
        Code.NO_POSITION,
        Code.POSITION_OPEN,
        Code.NO_ASSET_PRICE,
        Code.PRICE_OUT_OF_BAND,
        Code.INSUFFICIENT_BALANCE,
        Code.INSUFFICIENT_MARGIN,
        Code.OUT_OF_RANGE,
    }
)
