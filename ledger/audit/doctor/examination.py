"""What `clearing doctor` finds: one verdict a check, each with what to do.

Checks judge facts, and read nothing themselves: `ledger.store.audit.condition` has those of the
database, `consumers.doctor` those of Kafka. A fault while asking is itself a finding, never the
end.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from ledger.audit.doctor import books as doctor_books
from ledger.audit.doctor import files as doctor_files
from ledger.audit.doctor import server as doctor_server
from ledger.audit.doctor.check import Check, Verdict, bad, ok, skipped
from ledger.errors import LedgerError
from ledger.store.audit.condition import Condition
from ledger.store.migrate import newest
from ledger.store.schema import fingerprint

__all__ = ["Check", "Verdict", "examined"]


class Part(NamedTuple):
    """A group of checks that needs more than the one before."""

    name: str
    checks: Callable[[Condition], Iterable[Check]]


_CATALOG = (
    Part("server", doctor_server.checks),
    Part("roles", doctor_books.role_checks),
    Part("grants", doctor_books.grant_checks),
    Part("guards", doctor_books.guard_checks),
)
_BOOKS = (
    Part("shards", doctor_books.shard_checks),
    Part("signing key", doctor_files.key_checks),
)


def examined(url: str) -> Iterator[Check]:
    """All checks of the database and of the files here, as they are done."""
    yield from doctor_files.checks()
    try:
        condition = Condition.connect(url)
    except LedgerError as fault:
        yield bad("database", f"cannot be reached: {fault}", "start it, or mend --database-url")
        return
    try:
        yield from _of_database(condition)
    finally:
        condition.close()


def _of_database(condition: Condition) -> Iterator[Check]:
    login, is_superuser = condition.login()
    yield ok("database", f"reached as {login}{' (superuser)' if is_superuser else ''}")
    schema = schema_check(*condition.schema())
    yield schema
    if condition.schema()[1] is None:
        yield from _guarded(Part("server", doctor_server.checks), condition)
        yield skipped("books", "there is no schema to look at")
        return
    for part in _CATALOG:
        yield from _guarded(part, condition)
    acting = condition.act_as(("clearing_auditor", "clearing_writer"))
    if acting is None:
        why = f"{login} may act neither as clearing_auditor nor as clearing_writer"
        for part in _BOOKS:
            yield skipped(part.name, why, f"GRANT clearing_auditor TO {login}")
    elif schema.verdict is Verdict.BAD:
        yield skipped("books", "the schema is of another version")
    else:
        for part in _BOOKS:
            yield from _guarded(part, condition)


def _guarded(part: Part, condition: Condition) -> Iterator[Check]:
    try:
        yield from part.checks(condition)
    except LedgerError as fault:
        yield bad(part.name, f"could not be looked at: {fault}", "see the log of the database")


def schema_check(revision: str | None, found: str | None, oldest: str | None = None) -> Check:
    """Whether the schema is the one of this program."""
    expected = f"revision {newest()}, schema {fingerprint()}"
    if found is None:
        return bad("schema", "there is none", "clearing migrate")
    if revision is not None and revision > newest() and newest() >= (oldest or revision):
        return ok("schema", f"revision {revision}, which admits programs of {newest()}")
    if found != fingerprint() or revision not in {newest(), None}:
        return bad(
            "schema",
            f"revision {revision or 'unknown'}, schema {found}; expected {expected}",
            "clearing migrate, or use the version of the program that belongs to it",
        )
    return ok("schema", expected)
