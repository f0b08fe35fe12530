"""Proofs of events over HTTP, of the API and the console alike: bounded.

A proof reads the leaves of all events up to its checkpoint, 48 bytes each; of more than
`PROOF_EVENTS_MAX` it is left to `clearing prove event`, which nobody waits for.
"""

from ledger.audit.proofs.inclusion import Proof, prove_event
from ledger.store.web import evidence as web_evidence
from ledger.store.web.connections import Readers
from ledger.web.problems import Problem

PROOF_EVENTS_MAX = 500_000


def event_proof(auditors: Readers, pool: str, sequence: int, at: int | None) -> Proof:
    """That an event and what it led to stand in the books of a checkpoint.

    Args:
        auditors: Connections in the role clearing_auditor.
        pool, sequence: Which event.
        at: Sequence of the checkpoint; None takes the first that includes the event.

    Raises:
        Problem: There is no such event or checkpoint, or it is over too many events.
        UnknownPool: There is no such pool.
        BooksDiffer: The books do not lead to their hashes.
    """
    with auditors.lent() as connection:
        books = web_evidence.evidence(connection, pool)
        sealed = next(books.checkpoints(sequence if at is None else max(at, sequence)), None)
        is_other = sealed is not None and at is not None and sealed.sequence != at
        if sealed is None or is_other or books.event(sequence) is None:
            under = "a checkpoint" if at is None else f"the checkpoint {at}"
            raise Problem("not_found", f"pool {pool} has no event {sequence} under {under}")
        if sealed.sequence > PROOF_EVENTS_MAX:
            raise Problem(
                "too_large",
                f"the checkpoint {sealed.sequence}, which includes event {sequence}, is over as"
                f" many events, and here are proofs over {PROOF_EVENTS_MAX} at most: use"
                f" `clearing prove event {sequence} --pool {pool}`",
            )
        return prove_event(books, sequence, sealed.sequence, lambda _: None)
