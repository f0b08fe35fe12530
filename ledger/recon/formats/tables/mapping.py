"""How the columns of an outside file say what we need: names, numbers, times, signs, translations.

A mapping stands as a table in the rules file; `SourceMapping.of` reads one. A field that no mapping
names is looked for under its own name, so that a file with our names needs no mapping at all.
Every field, by what is read: docs/reference/reconciliation-formats.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

from ledger.errors import ConfigurationError

TRADE_FIELDS = (
    *("trade_id", "at", "instrument", "price", "quantity", "buyer", "seller"),
    *("buyer_fee", "seller_fee", "account", "side", "fee"),
)
HOLDING_FIELDS = ("at", "account", "commodity", "amount", "side", "entry_price")
STATEMENT_FIELDS = (
    *("kind", "number", "reference", "ours", "at", "account", "commodity"),
    *("amount", "side", "credit", "debit", "balance", "opening", "closing", "text"),
)

Times = Literal["iso", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns"]
"""The ways of writing a time that have a name; any other has a `%` of `strptime` in it."""

RowKind = Literal["movement", "opening", "closing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceMapping:
    """How to read one source's files.

    Attributes:
        source: Its name in the rules file; goes into every statement.
        columns: Our field to their column. In JSON lines `a.b` is the field `b` of the object `a`.
        constants: Our field to a text that holds for every row, where the file has no column; empty
            for one that no row has.
        encoding: Of text files; `utf-8-sig` reads UTF-8 with a byte order mark or without.
        delimiter: Between the fields of a CSV file.
        skip_lines: Lines of a CSV file above its header.
        order: Of the rows of a statement; it tells which running balance is the first.
        decimal_mark: `.` or `,`.
        thousands_mark: Taken out of numbers where it groups three digits; empty for none.
        time: `iso` (ISO 8601), `epoch_s`, `epoch_ms`, `epoch_us`, `epoch_ns` (whole numbers since
            1970), or a format of `strptime`, such as `%d.%m.%Y %H:%M:%S`.
        zone: Of times that say none; a name of the IANA list.
        sign: `holder` where a credit, a deposit, a long position is positive; `reversed` where the
            source sees it from its own side.
        plus, minus: The words of a column `side`; with one, amounts have no sign of their own.
            For trades the sides of the buyer and the seller.
        fees: Whether a fee that is paid stands as a positive number, or as a negative one.
        accounts: Their account to ours; one that is not named keeps its name.
        commodities: Their asset or instrument to ours; as above.
        kinds: The words of a column `kind` of a statement's rows.
    """

    source: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    encoding: str = "utf-8-sig"
    delimiter: str = ","
    skip_lines: int = 0
    order: Literal["oldest_first", "newest_first"] = "oldest_first"
    decimal_mark: Literal[".", ","] = "."
    thousands_mark: Literal["", ",", ".", "'", " "] = ""
    time: str = "iso"
    zone: str = "UTC"
    sign: Literal["holder", "reversed"] = "holder"
    plus: tuple[str, ...] = ("buy", "long", "credit", "CRDT", "C", "B")
    minus: tuple[str, ...] = ("sell", "short", "debit", "DBIT", "D", "S")
    fees: Literal["paid_positive", "paid_negative"] = "paid_positive"
    accounts: Mapping[str, str] = field(default_factory=dict)
    commodities: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, RowKind] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            ConfigurationError: Says which key, what was found and what was expected.
        """
        known = {*TRADE_FIELDS, *HOLDING_FIELDS, *STATEMENT_FIELDS}
        for key, table in (("columns", self.columns), ("constants", self.constants)):
            unknown = [name for name in table if name not in known]
            if unknown:
                expected = ", ".join(sorted(known))
                raise ConfigurationError(
                    f"{key}: no field {', '.join(unknown)}; expected some of {expected}"
                )
        both = [name for name in self.columns if name in self.constants]
        if both:
            raise ConfigurationError(
                f"{', '.join(both)}: a column and a constant, expected one of the two"
            )
        if self.time not in get_args(Times) and "%" not in self.time:
            named = ", ".join(get_args(Times))
            raise ConfigurationError(
                f"time: {self.time!r}, expected {named} or a format with %, such as %d.%m.%Y"
            )
        if self.decimal_mark == self.thousands_mark:
            raise ConfigurationError(
                f"thousands_mark: {self.thousands_mark!r}, which is the decimal mark as well"
            )
        if twice := [word for word in self.plus if word in self.minus]:
            raise ConfigurationError(f"plus and minus: both have {', '.join(twice)}")
        if self.skip_lines < 0 or len(self.delimiter) != 1:
            raise ConfigurationError(
                f"skip_lines {self.skip_lines} and delimiter {self.delimiter!r}, expected a count"
                " from 0 and one character"
            )
        _require_zone(self.zone)
        _require_encoding(self.encoding)

    @classmethod
    def of(cls, table: Mapping[str, object], where: str, source: str = "") -> Self:
        """The mapping that a table of a rules file says.

        Args:
            table: Keys as the attributes above, as `tomllib` reads them.
            where: File and table, for messages.
            source: The source's name, where the table does not have it.

        Raises:
            ConfigurationError: An unknown key, a value of another type, or a contradiction.
        """
        hints = get_type_hints(cls)
        names = [each.name for each in fields(cls)]
        given: dict[str, Any] = {"source": source}
        for key, value in table.items():
            if key not in names:
                expected = ", ".join(names)
                raise ConfigurationError(
                    f"{where}: no key {key!r} of a mapping; expected some of {expected}"
                )
            given[key] = _typed(f"{where}: {key}", hints[key], value)
        try:
            return cls(**given)
        except ConfigurationError as fault:
            raise ConfigurationError(f"{where}: {fault}") from fault


def _typed(where: str, hint: object, value: object) -> object:
    """The value, held to the type of its attribute."""
    if get_origin(hint) is Literal:
        if value in get_args(hint):
            return value
        raise ConfigurationError(f"{where}: {value!r}, expected one of {list(get_args(hint))}")
    if get_origin(hint) is tuple:
        if isinstance(value, list) and all(isinstance(word, str) for word in value):
            return tuple(value)
        raise ConfigurationError(f"{where}: {value!r}, expected a list of texts")
    if get_origin(hint) is Mapping:
        if not isinstance(value, dict):
            raise ConfigurationError(f"{where}: {value!r}, expected a table")
        _, inner = get_args(hint)
        return {name: _typed(f"{where}.{name}", inner, each) for name, each in value.items()}
    if hint is int and type(value) is int:
        return value
    if hint is str and isinstance(value, str):
        return value
    expected = "a whole number" if hint is int else "a text"
    raise ConfigurationError(f"{where}: {value!r}, expected {expected}")


def _require_zone(zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (LookupError, OSError, ValueError) as fault:
        raise ConfigurationError(
            f"zone: no time zone {zone!r}; expected a name such as UTC or Europe/Zurich"
        ) from fault


def _require_encoding(encoding: str) -> None:
    try:
        "a".encode(encoding)
    except (LookupError, ValueError) as fault:
        raise ConfigurationError(
            f"encoding: no text encoding {encoding!r}; expected a name such as utf-8 or cp1252"
        ) from fault
