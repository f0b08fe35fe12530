"""How far the books are behind Kafka: asked of the broker beside pages, which never wait for it.

A page takes what was last heard, and has it asked anew where that is older than `KEPT_S`; so the
broker is asked while somebody looks, and never by two at once.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from fastapi import Request

from ledger.errors import BrokerError, LedgerError
from ledger.recon.controls import EndOffsets
from ledger.store.console import offsets as console_offsets
from ledger.store.recon.sums import Taken
from ledger.store.web.connections import Readers
from ledger.web.problems import in_words

KEPT_S = 5.0
OLD_S = 3 * KEPT_S
"""What was heard so long ago is not shown for now any more."""

logger = logging.getLogger(__name__)


class Behind(NamedTuple):
    """What a page shows of one pool.

    Attributes:
        messages: On the partitions that it comes from, which the books do not hold; None: unknown.
        words: In place of the number.
        why: More of it, for who asks.
        part: Of how many of the partitions the number is, where it is not of all.
    """

    messages: int | None
    words: str
    why: str
    part: str = ""


NOT_ASKED = Behind(None, "not asked", "clearing serve --kafka HOST:PORT asks the broker")
NOT_KEPT = Behind(None, "–", "known of now alone")
NOT_YET = Behind(None, "…", "the broker is being asked")
NO_TOPIC = Behind(None, "–", "nothing of it came from Kafka")
GONE = Behind(None, "unknown", "the topics that it was read from are not there, or are other ones")


class _Heard(NamedTuple):
    at: float
    pools: Mapping[str, Behind]
    fault: str | None


class KafkaLag:
    """Asks where topics end, and holds that against the books."""

    def __init__(
        self,
        end_offsets: EndOffsets,
        readers: Readers,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is asked yet.

        Args:
            end_offsets: Asks the broker.
            readers: In the role clearing_auditor.
            clock: Seconds; never goes back.
        """
        self._end_offsets = end_offsets
        self._readers = readers
        self._clock = clock
        self._asking = threading.Lock()
        self._heard: _Heard | None = None

    def of(self, pool: str) -> Behind:
        """What was last heard of a pool; nothing, where that is too long ago."""
        heard = self._heard
        self._refresh(heard)
        if heard is None or self._clock() - heard.at >= OLD_S:
            return NOT_YET
        if heard.fault is not None:
            return Behind(None, "unknown", heard.fault)
        return heard.pools.get(pool, NO_TOPIC)

    def _refresh(self, heard: _Heard | None) -> None:
        is_old = heard is None or self._clock() - heard.at >= KEPT_S
        if is_old and self._asking.acquire(blocking=False):
            threading.Thread(target=self._ask, name="lag", daemon=True).start()

    def _ask(self) -> None:
        try:
            with self._readers.lent() as connection:
                taken = console_offsets.taken(connection)
            every = sorted({one for several in taken.values() for one in several})
            ends = self._end_offsets(every) if every else {}
            pools = {pool: _behind(several, ends) for pool, several in taken.items()}
            self._heard = _Heard(self._clock(), pools, None)
        except BrokerError as fault:
            logger.warning("the broker cannot be asked: %s", fault)
            self._heard = _Heard(self._clock(), {}, "the broker does not answer: see the log")
        except LedgerError as fault:
            self._heard = _Heard(self._clock(), {}, in_words(fault))
        except Exception as fault:  # noqa: BLE001 - an old number would stand for ever
            self._heard = _Heard(self._clock(), {}, in_words(fault))
        finally:
            self._asking.release()


def _behind(taken: Iterable[Taken], ends: Mapping[tuple[str, int], int]) -> Behind:
    """Of all partitions together; where some are gone, of the others."""
    every = list(taken)
    known = [one for one in every if (one.topic, one.partition) in ends]
    if not known:
        return GONE
    messages = sum(max(0, ends[one.topic, one.partition] - one.next_offset) for one in known)
    why = "on the partitions that its messages come from"
    if len(known) == len(every):
        return Behind(messages, f"{messages}", why)
    part = f"on {len(known)} of {len(every)} partitions"
    return Behind(messages, f"{messages}", f"{why}; {GONE.why}, of the others", part)


def behind(request: Request, pools: Iterable[str], *, is_now: bool) -> Mapping[str, Behind]:
    """What a page shows of these pools."""
    lag: KafkaLag | None = request.app.state.lag
    if lag is None:
        return dict.fromkeys(pools, NOT_ASKED)
    return {pool: lag.of(pool) if is_now else NOT_KEPT for pool in pools}
