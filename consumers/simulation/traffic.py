"""What producers send: the day of a few leveraged pools, with mistakes.

Most messages are sound; what a sound one leads to, acceptance, refusal or a liquidation, depends on
the order in which it is applied. Prices wander, and now and then fall by a fifth.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import NamedTuple

from consumers.simulation.curses import CURSE
from consumers.simulation.plan import Plan
from consumers.topics import role_of

_ACCOUNTS = ("anna", "ben", "cleo", "dora", "emil")
_POLICIES = ("bitmex", "binance", "hyperliquid", "pro_rata", "capped_pro_rata")
_BEGINNING = datetime(2026, 1, 5, tzinfo=UTC)
_OVERSIZED = b'{"kind": "deposit", "x": "' + b"x" * 1024 * 1024 + b'"}'
_TIER = {"initial_rate": "0.1", "maintenance_rate": "0.05", "maintenance_amount": "0"}
_TERMS = {
    "LIN": {"type": "linear", "multiplier": "1", "price_scale": 2},
    "INV": {"type": "inverse", "multiplier": "10000", "price_scale": 2},
}

_CLOSE_OUT_RATE = 0.1
_FALL_RATE = 0.1

Event = dict[str, object]


class Sent(NamedTuple):
    """A message as a producer hands it over.

    Attributes:
        role: Of its topic.
        partition: None: as the key says.
        lag_ms: How far its timestamp is behind the producers' clock.
    """

    role: str
    key: bytes | None
    value: bytes
    partition: int | None = None
    lag_ms: int = 0


class Traffic:
    """The producers.

    Attributes:
        sent: All that they have sent, in order.
        skew_ms: How far their clock is from the world's.
    """

    def __init__(self, plan: Plan, strikes: Callable[[str], bool]) -> None:
        """Producers of a plan's pools, with the dice for their mistakes."""
        self.sent: list[Sent] = []
        self.skew_ms = 0
        self._plan = plan
        self._chance = Random(f"{plan.seed}:traffic")  # noqa: S311 - seeded on purpose
        self._strikes = strikes
        self._count = 0
        self._now_ms = 0
        self._marks = {(pool, name): 10_000 for pool in plan.pools for name in _TERMS}
        self._trades: list[str] = []
        self._requests: list[Event] = []
        self._waiting = [message for pool in plan.pools for message in self._beginning(pool)]

    def next(self, now_ms: int) -> Sent:
        """One more message."""
        self._now_ms = now_ms
        if self._waiting and not self._strikes("poison"):
            message = self._waiting.pop(0)
        elif self.sent and self._strikes("duplicates"):
            message = self._again()
        elif self.sent and self._strikes("poison"):
            message = self._poison()
        elif self._strikes("curse"):
            message = self._sound(self._event() | {"event_id": f"{CURSE}{self._count}"})
        else:
            message = self._sound(self._event())
        self.sent.append(message)
        return message

    def _beginning(self, pool: str) -> list[Sent]:
        chance = self._chance
        first: list[Event] = [
            {
                "kind": "pool",
                "settlement_asset": "USD",
                "scale": chance.choice((2, 6, 8)),
                "liquidation": chance.choice(("full", "partial", "off")),
                "penalty_rate": chance.choice(("0", "0.005", "1")),
                "partial_buffer": "0.1",
                "insurance_floor": chance.choice(("0", "100")),
                "adl_policy": chance.choice(_POLICIES),
                "loss_policy": chance.choice(("open", "socialize")),
            },
            {"kind": "asset", "asset": "ETH", "scale": 8, "haircut": "0.1"},
        ]
        first += [
            {"kind": "instrument", "instrument": name, "quantity_scale": 0, "expiry": None}
            | terms
            | {"tiers": [{"notional_cap": None} | _TIER]}
            for name, terms in _TERMS.items()
        ]
        first += [{"kind": "account", "account": account} for account in _ACCOUNTS]
        first += [
            {"kind": "deposit", "account": account, "asset": "USD", "amount": "2000"}
            for account in _ACCOUNTS
        ]
        return [self._sound(event | {"pool": pool}) for event in first]

    def _sound(self, event: Event) -> Sent:
        self._count += 1
        moment = _BEGINNING + timedelta(milliseconds=self._now_ms + self.skew_ms)
        pool = str(event.setdefault("pool", self._chance.choice(self._plan.pools)))
        event.setdefault("event_id", f"e{self._count}")
        event["occurred_at"] = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        if event["kind"] == "trade":
            self._trades.append(str(event["event_id"]))
        elif event["kind"] == "withdrawal_request":
            self._requests.append(event)
        return Sent(_role(event), pool.encode(), _spelled(event))

    def _event(self) -> Event:
        """Something of one pool, mostly of one of its instruments."""
        pool, name = self._chance.choice(list(self._marks))
        (make,) = self._chance.choices(list(_KINDS), list(_KINDS.values()))
        event = make(self, pool, name)
        if event["kind"] in _OF_INSTRUMENT:
            event["instrument"] = name
        return {"pool": pool} | event

    def _near(self, pool: str, name: str) -> str:
        return _decimal(max(1, self._marks[pool, name] + self._chance.randint(-50, 50)))

    def _money(self) -> Event:
        return {"asset": "USD", "amount": _decimal(self._chance.randint(1, 300_000))}

    def _account(self) -> str:
        return self._chance.choice(_ACCOUNTS)

    def _trade(self, pool: str, name: str) -> Event:
        buyer, seller = self._chance.sample(_ACCOUNTS, 2)
        if self._chance.random() < _CLOSE_OUT_RATE:
            buyer = "@liquidation"
        quantity = str(self._chance.randint(1, 150))
        event: Event = {"kind": "trade", "price": self._near(pool, name), "quantity": quantity}
        return event | {"buyer": buyer, "seller": seller, "buyer_fee": "0.1", "seller_fee": "0"}

    def _price(self, pool: str, name: str) -> Event:
        percent = 80 if self._chance.random() < _FALL_RATE else self._chance.randint(97, 104)
        mark = max(100, self._marks[pool, name] * percent // 100)
        self._marks[pool, name] = mark
        return {"kind": "price", "mark_price": _decimal(mark)}

    def _transfer(self, _pool: str, _name: str) -> Event:
        kind = self._chance.choice(("deposit", "deposit", "withdrawal"))
        return {"kind": kind, "account": self._account()} | self._money()

    def _ether(self, pool: str, name: str) -> Event:
        if self._chance.random() < 0.5:  # noqa: PLR2004
            return {"kind": "asset_price", "asset": "ETH", "price": self._near(pool, name)}
        return {"kind": "deposit", "account": self._account(), "asset": "ETH", "amount": "1.5"}

    def _funding(self, pool: str, name: str) -> Event:
        return {"kind": "funding_rate", "rate": "0.0001", "mark_price": self._near(pool, name)}

    def _settlement(self, pool: str, name: str) -> Event:
        return {"kind": "settlement", "price": self._near(pool, name)}

    def _insurance(self, _pool: str, _name: str) -> Event:
        return {"kind": "insurance_deposit"} | self._money()

    def _mode(self, _pool: str, _name: str) -> Event:
        mode = self._chance.choice(("cross", "isolated"))
        leverage = self._chance.choice((None, "5", "20"))
        account = self._account()
        return {"kind": "position_mode", "account": account, "mode": mode, "leverage": leverage}

    def _between(self, _pool: str, _name: str) -> Event:
        payer, payee = self._chance.sample(_ACCOUNTS, 2)
        event: Event = {"kind": "internal_transfer", "from_account": payer, "to_account": payee}
        return event | self._money()

    def _request(self, _pool: str, _name: str) -> Event:
        """A request for a withdrawal, or the end of one."""
        if not self._requests or self._chance.random() < 0.5:  # noqa: PLR2004
            event: Event = {"kind": "withdrawal_request", "request_id": f"w{self._count}"}
            return event | {"account": self._account()} | self._money()
        asked = self._chance.choice(self._requests)
        kind = self._chance.choice(("withdrawal_settled", "withdrawal_cancelled"))
        same = {key: asked[key] for key in ("request_id", "account", "asset", "amount", "pool")}
        return {"kind": kind} | same

    def _bust(self, _pool: str, _name: str) -> Event:
        named = self._chance.choice(self._trades or ["t0"])
        return {"kind": "trade_bust", "trade_event_id": named, "reason": "error"}

    def _again(self) -> Sent:
        """What was sent before, as it was or spelled differently, maybe late."""
        message = self._chance.choice(self.sent[-200:])
        lag_ms = self._chance.choice((0, 0, 50, 100_000))
        try:
            event = json.loads(message.value)
            if isinstance(event, dict) and self._chance.random() < 0.5:  # noqa: PLR2004
                value = json.dumps(dict(reversed(event.items())), indent=1).encode()
                return message._replace(value=value, lag_ms=lag_ms)
        except ValueError:
            pass
        return message._replace(lag_ms=lag_ms)

    def _poison(self) -> Sent:
        chance = self._chance
        if self._plan.oversized and chance.random() < 0.02:  # noqa: PLR2004
            return Sent("transfers", b"main", _OVERSIZED)
        event = self._event()
        sound = self._sound(event)
        match chance.randrange(10):
            case 0:
                return sound._replace(value=chance.randbytes(chance.randint(0, 40)))
            case 1:
                return sound._replace(value=sound.value[: len(sound.value) // 2])
            case 2:
                return sound._replace(key=None)
            case 3:
                return sound._replace(key=b"other")
            case 4:
                return sound._replace(role=chance.choice(("reference", "trades", "funding")))
            case 5:
                return sound._replace(partition=chance.randrange(self._plan.partitions))
            case 6:
                return self._sound(event | {"pool": "nowhere"})
            case 7:
                return self._sound(event | {"more": "1"})
            case 8:
                return self._sound(event | {"kind": "deposit", "account": "zoe", "amount": "1"})
            case _:  # an id that was used, with other content
                return self._sound(event | {"event_id": f"e{chance.randint(1, self._count)}"})


_KINDS: Mapping[Callable[[Traffic, str, str], Event], int] = {
    Traffic._trade: 30,  # noqa: SLF001 - a table of its own methods, as those below
    Traffic._price: 20,  # noqa: SLF001
    Traffic._transfer: 10,  # noqa: SLF001
    Traffic._funding: 3,  # noqa: SLF001
    Traffic._request: 4,  # noqa: SLF001
    Traffic._settlement: 2,  # noqa: SLF001
    Traffic._insurance: 2,  # noqa: SLF001
    Traffic._between: 2,  # noqa: SLF001
    Traffic._ether: 2,  # noqa: SLF001
    Traffic._mode: 1,  # noqa: SLF001
    Traffic._bust: 1,  # noqa: SLF001
}
"""What they send, and how often."""

_OF_INSTRUMENT = {"trade", "price", "funding_rate", "settlement", "position_mode"}


def _role(event: Event) -> str:
    role = role_of(str(event["kind"]))
    assert role is not None
    return role


def _spelled(event: Event) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()


def _decimal(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
