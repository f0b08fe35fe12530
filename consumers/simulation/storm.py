"""When a fault strikes, and the seam at which it strikes a member."""

import math

from consumers.simulation.plan import Plan
from consumers.simulation.world import MICROSECONDS, Killed, Member, World

_LATENCY_US = (50, 2_000)
_PAUSE_US = (30_000, 60 * MICROSECONDS)
_JUMP_S = 3_600
_PIVOTAL = ("log.acquire", "log.declare", "log.append", "log.snapshot", "send", "metadata")
_PIVOTAL_WEIGHT = 10
"""Where a member stands when it dies or stops is drawn; these calls more often than others."""


class Storm:
    """The faults of a plan, until it is calm.

    Attributes:
        plan: Its plan.
        calm: No fault strikes any more.
        disk_full_until_us: Nothing is written before.
    """

    def __init__(self, world: World, plan: Plan) -> None:
        """Begin to blow."""
        self.calm = False
        self.disk_full_until_us = 0
        self._world = world
        self.plan = plan

    def strikes(self, fault: str, weight: int = 1) -> bool:
        """Whether this fault happens here and now."""
        rate = 0 if self.calm else self.plan.rates.get(fault, 0) * weight
        return rate > 0 and self._world.chance.random() < rate

    def spread(self, least: int, most: int) -> int:
        """A whole number between the two, each order of magnitude as likely as the others."""
        return round(math.exp(self._world.chance.uniform(math.log(least), math.log(most))))


class Seam:
    """What stands between one member and everything outside of it.

    Attributes:
        member: The member.
        jump_s: How far its clock has jumped.
    """

    def __init__(self, world: World, storm: Storm, member: Member) -> None:
        """Of one life of a member."""
        self.world = world
        self.storm = storm
        self.member = member
        self.jump_s = world.chance.randrange(_JUMP_S)

    def clock(self) -> float:
        """The member's monotonic clock, seconds."""
        return self.world.now_us / MICROSECONDS + self.jump_s

    def turn(self, call: str, wait_us: int = 0) -> None:
        """One end of a call: the others go on meanwhile, and the member may stop or die here.

        Raises:
            Killed: It died.
        """
        storm, member = self.storm, self.member
        weight = _PIVOTAL_WEIGHT if call.startswith(_PIVOTAL) else 1
        if storm.strikes("crash", weight) and not member.killed:
            self.world.trace(f"{member.name} dies at {call}")
            member.killed = True
            raise Killed(member.name)
        if storm.strikes("zombie", weight):
            pause_us = storm.spread(*_PAUSE_US)
            self.world.trace(f"{member.name} stops for {pause_us} us at {call}")
            member.paused_until_us = self.world.now_us + pause_us
        if storm.strikes("clock"):
            self.jump_s += storm.spread(1, _JUMP_S)
        member.turn(call, max(wait_us, self.world.chance.randrange(*_LATENCY_US)))
