"""Two people park the message that a pool halts at, over a connection that breaks like any other.

They come when a writer says that it stands still, and come again until the message is parked or the
books say that the pool does not halt there. Then the members are started anew, as the operating
page says.
"""

from collections.abc import Callable

from consumers.simulation.log import SimulatedLog
from consumers.simulation.members import House
from consumers.simulation.storm import Seam
from consumers.simulation.world import Killed, Member
from ledger.errors import ConfigurationError, FenceLost, ShardBusy, StoreUnavailable
from ledger.ports import Message
from ledger.quarantine import Order, quarantine

_ORDER = Order("maria", "noor", "it breaks the rules")
_TAKE_OVER_RATE = 0.5


def park(
    house: House, member: Member, pool: str, message: Message, on_end: Callable[[], object]
) -> None:
    """One attempt; `on_end` is called when there is nothing more to park there."""
    log = SimulatedLog(
        house.books, Seam(house.world, house.storm, member), member.name, house.model
    )
    take_over = house.world.chance.random() < _TAKE_OVER_RATE
    outcome = "parked"
    try:
        quarantine(log, pool, message, _ORDER, take_over=take_over)
    except (ConfigurationError, FenceLost, ShardBusy, StoreUnavailable, Killed) as fault:
        outcome = type(fault).__name__
    log.break_off()
    house.world.trace(f"{member.name} ends: {pool} {outcome}")
    house.outcomes[f"mending {outcome}"] = house.outcomes.get(f"mending {outcome}", 0) + 1
    if outcome in {"parked", "ConfigurationError"}:
        on_end()
