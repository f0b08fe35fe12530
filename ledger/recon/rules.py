"""The rules file of a reconciliation: which sources there are, and when two things are the same.

A rules file is TOML with a `version`; docs/concepts/reconciliation.md has one in full. What these
classes say is all that the matching knows of it. Its hash is over what it says, not over how it is
written: comments, order and spaces do not count.
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, cast, get_args

from ledger.errors import ConfigurationError
from ledger.recon.breaks import BreakType, Severity
from ledger.recon.formats import FORMATS
from ledger.recon.formats.tables.mapping import SourceMapping
from ledger.recon.rules_tables import Table

WINDOW_MAX_S = 31_622_400
"""366 days: farther apart is nothing the same time."""
VERSION = 1
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
EVERY = "*"
"""In a table of names: what holds for each that is not listed."""

SourceKind = Literal["trades", "holdings", "statements"]
Sides = Literal["both", "one", "none"]
Covers = Literal["span", "all"]
Counter = Literal["pool", "instrument"]
Busts = Literal["told", "not_told"]

DEFAULT_SEVERITY: Mapping[BreakType, Severity] = {
    "missing_here": "high",
    "missing_there": "high",
    "amount": "high",
    "timing": "low",
    "duplicate": "medium",
    "wrong_account": "high",
    "unpaired": "medium",
    "opening": "high",
    "control": "critical",
}


@dataclass(frozen=True, slots=True)
class Translation:
    """Their names in ours: those listed, then the template of `*`, else the same name.

    Attributes:
        names: By their name.
        template: With `{}` for their name; None leaves it as it is.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    template: str | None = None

    def __call__(self, theirs: str) -> str:
        """Our name for theirs."""
        ours = self.names.get(theirs)
        if ours is not None:
            return ours
        return theirs if self.template is None else self.template.replace("{}", theirs)


@dataclass(frozen=True, slots=True)
class SizeStep:
    """From this difference on a break is at least so severe; `commodity` may be `*`."""

    commodity: str
    at_least: Decimal
    severity: Severity


@dataclass(frozen=True, slots=True)
class SeverityRules:
    """How bad a break is: by its type, and worse by its size, never better."""

    types: Mapping[BreakType, Severity] = field(default_factory=lambda: DEFAULT_SEVERITY)
    sizes: Sequence[SizeStep] = ()

    def __call__(self, kind: BreakType, commodity: str, difference: Decimal) -> Severity:
        """The severity of a break of this type with this difference, in natural units."""
        reached = [
            step.severity
            for step in self.sizes
            if step.commodity in {commodity, EVERY} and abs(difference) >= step.at_least
        ]
        return max([self.types[kind], *reached], key=SEVERITIES.index)


@dataclass(frozen=True, slots=True)
class SourceRules:
    """One outside source, and when what it says is what our books say.

    Attributes:
        name: In the rules file; breaks carry it.
        kind: What its files hold.
        format: A name that `ledger.recon.formats` knows, of one of this kind.
        pool: Whose books it is held against.
        mapping: How its columns are read.
        accounts, commodities: Their names in ours. `@custody` is all that the outside world holds
            for us (`@outside` the same from its own side, as a double entry has it); `@fees`,
            `@insurance`, `@rounding`, `@suspense` and `@deficit` are the house's.
        tolerance: By our commodity, or `*`: the largest difference that is none (natural units).
        price_tolerance: Likewise by instrument, of prices.
        window: How far apart two times of the same thing may be; equality is within.
        severity: Of its breaks.
        reference: Which id of our trades the source repeats; a trade without a venue's id is
            known by its event id.
        ids: Trade ids are unique in the pool, or in each instrument only.
        sides: How many sides of a trade the source tells; `one` also fits files of one account.
        busts: `told`: the source takes out trades that were busted, so one that it still has is a
            break; `not_told`: it may have them, and they are counted apart.
        covers: `span`: our trades or movements are expected there only from the first to the last
            time in its files (statements: from beginning to end of each); `all`: every one.
        left_out: Beginnings of event ids of ours that are not expected at the source.
        only: Beginnings of event ids of ours that alone are, where an account of ours lies at
            several banks; empty: all.
        not_ours: Patterns (`*` for anything) of their commodities that our books never hold; what
            is in one of them is counted, and left out.
        not_theirs: Patterns of our commodities that holdings never name there (positions, in a
            list of balances); all others of an account are expected.
        entry_prices: Holdings tell average entry prices of positions, which are to be ours, to a
            tick of the instrument or `price_tolerance`.
        every_purpose: Statements hold all that moves an account's cash (trades, fees, funding),
            not transfers, openings and adjustments alone.
        paired: Statements are a double entry: the lines of a reference sum to zero.
    """

    name: str
    kind: SourceKind
    format: str
    pool: str
    mapping: SourceMapping = field(default_factory=SourceMapping)
    accounts: Translation = field(default_factory=Translation)
    commodities: Translation = field(default_factory=Translation)
    tolerance: Mapping[str, Decimal] = field(default_factory=dict)
    price_tolerance: Mapping[str, Decimal] = field(default_factory=dict)
    window: timedelta = timedelta(seconds=60)
    severity: SeverityRules = field(default_factory=SeverityRules)
    reference: Literal["trade_id", "event_id"] = "trade_id"
    ids: Counter = "pool"
    sides: Sides = "both"
    busts: Busts = "not_told"
    covers: Covers = "span"
    left_out: Sequence[str] = ()
    only: Sequence[str] = ()
    not_ours: Sequence[str] = ()
    not_theirs: Sequence[str] = ()
    entry_prices: bool = False
    every_purpose: bool = False
    paired: bool = False

    def has_event(self, event_id: str) -> bool:
        """Whether the source may have what an event of ours did."""
        if not self.may_correct(event_id):
            return False
        return not self.only or event_id.startswith(tuple(self.only))

    def may_correct(self, event_id: str) -> bool:
        """Whether the source may have what a correction of ours did, were it of a break of its."""
        return not (self.left_out and event_id.startswith(tuple(self.left_out)))

    def is_ours(self, commodity: str) -> bool:
        """Whether our books may hold this commodity of theirs."""
        return not any(fnmatchcase(commodity, pattern) for pattern in self.not_ours)

    def is_theirs(self, commodity: str) -> bool:
        """Whether the source may tell this commodity of ours."""
        return not any(fnmatchcase(commodity, pattern) for pattern in self.not_theirs)

    def tolerated(self, commodity: str) -> Decimal:
        """The largest difference in this commodity that is none."""
        return _listed(self.tolerance, commodity)

    def tolerated_price(self, instrument: str) -> Decimal:
        """The largest difference of two prices of this instrument that is none."""
        return _listed(self.price_tolerance, instrument)


@dataclass(frozen=True, slots=True)
class ControlRules:
    """What the internal controls need to be told.

    Attributes:
        trade_ids: Numeric trade ids of the venue count up by one, in the pool or in each
            instrument; None: they are no counter, and gaps mean nothing.
        kafka_behind_max: Messages that a partition may be ahead of our books.
        kafka_retired: Topics that our books have read, and that nobody looks for any more.
    """

    trade_ids: Counter | None = None
    kafka_behind_max: int = 0
    kafka_retired: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """A rules file that was read.

    Attributes:
        sources: By name.
        severity: Of controls, and of sources that say nothing of their own.
        controls: Likewise of the file as a whole.
        digest: SHA-256 in hex of what it says, canonical.
    """

    sources: Mapping[str, SourceRules]
    severity: SeverityRules = field(default_factory=SeverityRules)
    controls: ControlRules = field(default_factory=ControlRules)
    digest: str = ""

    def of_pool(self, pool: str) -> list[SourceRules]:
        """The sources that are held against this pool, by name."""
        return [self.sources[name] for name in sorted(self.sources) if self.in_pool(name, pool)]

    def in_pool(self, name: str, pool: str) -> bool:
        return self.sources[name].pool == pool


def load_rules(path: Path) -> Rules:
    """The rules file at this path.

    Raises:
        ConfigurationError: It is not there, is no TOML, or says something that no rule can say.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigurationError(f"the rules file {path} cannot be read: {fault}") from fault
    return parse_rules(text, str(path))


def parse_rules(text: str, name: str = "rules") -> Rules:
    """The rules that this text says; `name` stands in messages.

    Raises:
        ConfigurationError: See `load_rules`.
    """
    try:
        document = tomllib.loads(text, parse_float=str)
    except tomllib.TOMLDecodeError as fault:
        raise ConfigurationError(f"{name} is not TOML: {fault}") from fault
    digest = digest_of(document)
    table = Table(name, "", document)
    version = table.whole("version", None)
    if version != VERSION:
        raise ConfigurationError(f"{name}: version {version}, this program knows {VERSION}")
    severity = _severity(table.table("severity"), SeverityRules())
    controls = _controls(table.table("controls"))
    sources = {each.key: _source(each, severity) for each in table.table("sources").tables()}
    table.finish()
    if not sources:
        raise ConfigurationError(f"{name}: no [sources.NAME], expected one at least")
    return Rules(sources, severity, controls, digest)


def digest_of(document: object) -> str:
    """SHA-256 in hex of a tree of plain values, whatever the order of its keys."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _source(table: Table, inherited: SeverityRules) -> SourceRules:
    kind = cast("SourceKind", table.choice("kind", get_args(SourceKind), None))
    chosen = table.choice("format", tuple(FORMATS), None)
    if FORMATS[chosen].kind != kind:
        of_kind = ", ".join(name for name, each in FORMATS.items() if each.kind == kind)
        raise ConfigurationError(
            f"{table.below('format')}: the source {table.key} has {kind}, and the format {chosen}"
            f" has {FORMATS[chosen].kind}; expected one of {of_kind}"
        )
    source = SourceRules(
        name=table.key,
        kind=kind,
        format=chosen,
        pool=table.text("pool", "main"),
        mapping=SourceMapping.of(table.raw("mapping"), table.below("mapping"), table.key),
        accounts=_translation(table.table("accounts")),
        commodities=_translation(table.table("commodities")),
        tolerance=table.table("tolerance").amounts(),
        price_tolerance=table.table("price_tolerance").amounts(),
        window=timedelta(seconds=table.whole("window_s", 60, WINDOW_MAX_S)),
        severity=_severity(table.table("severity"), inherited),
        reference=cast(
            'Literal["trade_id", "event_id"]',
            table.choice("reference", ("trade_id", "event_id"), "trade_id"),
        ),
        ids=cast("Counter", table.choice("ids", get_args(Counter), "pool")),
        sides=cast("Sides", table.choice("sides", get_args(Sides), "both")),
        busts=cast("Busts", table.choice("busts", get_args(Busts), "not_told")),
        covers=cast("Covers", table.choice("covers", get_args(Covers), "span")),
        left_out=table.texts("left_out"),
        only=table.texts("only"),
        not_ours=table.texts("not_ours"),
        not_theirs=table.texts("not_theirs"),
        entry_prices=table.flag("entry_prices"),
        every_purpose=table.flag("every_purpose"),
        paired=table.flag("paired"),
    )
    table.finish()
    return source


def _translation(table: Table) -> Translation:
    names = table.names()
    return Translation(
        {name: ours for name, ours in names.items() if name != EVERY}, names.get(EVERY)
    )


def _severity(table: Table, inherited: SeverityRules) -> SeverityRules:
    kinds: tuple[BreakType, ...] = get_args(BreakType)
    types = {
        kind: cast("Severity", table.choice(kind, SEVERITIES, inherited.types[kind]))
        for kind in kinds
    }
    sizes = [
        SizeStep(
            step.text("commodity", EVERY),
            step.amount("at_least"),
            cast("Severity", step.choice("severity", SEVERITIES, None)),
        )
        for step in table.listed("sizes")
    ]
    table.finish()
    return SeverityRules(types, sizes or inherited.sizes)


def _controls(table: Table) -> ControlRules:
    counted = table.choice("trade_ids", ("none", *get_args(Counter)), "none")
    behind = table.whole("kafka_behind_max", 0)
    retired = tuple(table.texts("kafka_retired"))
    table.finish()
    counter = None if counted == "none" else cast("Counter", counted)
    return ControlRules(counter, behind, retired)


def _listed(amounts: Mapping[str, Decimal], name: str) -> Decimal:
    return amounts.get(name, amounts.get(EVERY, Decimal(0)))
