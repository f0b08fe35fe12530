"""The condition of a database that holds books: facts for `clearing doctor`, read only.

Rules of this file:

* Works on any database, migrated or not, of this version or another: nothing is taken for granted.
* Nothing is written and no lock is waited for; what this login may not see is None, or left out.
* The catalog is asked as the login, the books as `clearing_auditor`, else as `clearing_writer`.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Self

import psycopg
from psycopg import errors

from ledger.ports import SigningKey, Source
from ledger.store import checkpoints
from ledger.store.expected import Privilege
from ledger.store.faults import translated
from ledger.store.log.ownership import LOCK_CLASS
from ledger.store.schema import MadeBy

REJECTIONS_MAX = 10_000

_SESSION = """
    SET default_transaction_read_only = on;
    SET search_path = pg_catalog;
    SET statement_timeout = '30s';
    SET lock_timeout = '2s'"""
_SCHEMAS = "('ledger'::text, 'reporting', 'back_office')"
_ROLES = """
    SELECT rolname, rolcanlogin, rolsuper OR rolbypassrls OR rolcreaterole OR rolreplication
      FROM pg_roles WHERE left(rolname, 9) = 'clearing_' ORDER BY rolname"""
_RELATIONS = f"""
    SELECT nspname, relname, relkind, relowner::regrole::text
      FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
     WHERE nspname IN {_SCHEMAS} AND relkind IN ('r', 'p', 'v', 'm') ORDER BY nspname, relname"""  # noqa: S608 - constants
_POSTING_LEAVES = r"""
    SELECT 'ledger.' || relname FROM pg_class
     WHERE relnamespace = to_regnamespace('ledger') AND relispartition AND relkind = 'r'
       AND relname ~ '^posting_\d+_\d+$' ORDER BY 1"""
_FUNCTIONS = f"""
    SELECT nspname || '.' || proname, prosrc, proowner::regrole::text
      FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
     WHERE nspname IN {_SCHEMAS} ORDER BY 1"""  # noqa: S608 - constants
_TRIGGERS = """
    SELECT CASE nspname WHEN 'ledger' THEN '' ELSE nspname || '.' END || relname,
           tgname, tgenabled::text, tgfoid::regproc::text
      FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
      JOIN pg_namespace n ON n.oid = relnamespace
     WHERE nspname IN ('ledger', 'back_office') AND NOT tgisinternal"""
_PRIVILEGES = f"""
    SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END, privilege_type, target
      FROM (SELECT nspname AS target, nspacl AS acl, nspowner AS owner FROM pg_namespace
             WHERE nspname IN {_SCHEMAS}
            UNION ALL
            SELECT nspname || '.' || relname, relacl, relowner
              FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname IN {_SCHEMAS}
            UNION ALL
            SELECT nspname || '.' || relname || '.' || attname, attacl, relowner
              FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
              JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname IN {_SCHEMAS}
            UNION ALL
            SELECT nspname || '.' || proname, coalesce(proacl, acldefault('f', proowner)), proowner
              FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace
             WHERE nspname IN {_SCHEMAS}) held
     CROSS JOIN LATERAL aclexplode(acl) WHERE grantee <> owner"""  # noqa: S608 - constants
_SHARDS = """
    SELECT s.shard, s.name, s.partition, s.next_sequence, s.leaves_end,
           coalesce((SELECT max(sequence) FROM ledger.checkpoint c WHERE c.shard = s.shard), 0),
           (SELECT coalesce(max(a.application_name), 'somebody')
              FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
             WHERE l.locktype = 'advisory' AND l.classid = %s AND l.objid = s.shard AND l.granted
               AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            HAVING count(*) > 0)
      FROM ledger.shard s ORDER BY s.name"""
_OFFSETS = """
    SELECT s.cluster, s.topic_id, s.topic, o.partition, min(o.next_offset)
      FROM ledger.source_offset o JOIN ledger.source s USING (source)
      JOIN ledger.shard h USING (shard) WHERE h.partition IS NULL OR h.partition = o.partition
     GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"""
_REJECTIONS = """
    SELECT name, rejection, count(*) FROM (
        SELECT s.name, e.rejection FROM ledger.event e JOIN ledger.shard s USING (shard)
         WHERE e.rejection IS NOT NULL
           AND NOT EXISTS (SELECT FROM ledger.event d
                            WHERE d.redrive_shard = s.name AND d.redrive_sequence = e.sequence)
         LIMIT %s) waiting
     GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"""


class Role(NamedTuple):
    """A role of the ledger: may log in, and may do more than it was granted."""

    name: str
    may_login: bool
    is_mighty: bool


class Relation(NamedTuple):
    """A table (`r`), a partitioned table (`p`) or a view (`v`), and its owner."""

    schema: str
    name: str
    kind: str
    owner: str


class Trigger(NamedTuple):
    """A trigger of a table, which is named with its schema where that is not `ledger`.

    Enabled is `A` (always), `O` (not in replica role), `R` or `D` (not at all).
    """

    relation: str
    name: str
    enabled: str
    function: str


class Function(NamedTuple):
    """A function, `schema.name`, its body and owner."""

    name: str
    body: str
    owner: str


class ShardCondition(NamedTuple):
    """A shard: how far it is, how far its partitions and checkpoints go, and who writes it."""

    shard: int
    name: str
    partition: int | None
    next_sequence: int
    leaves_end: int
    checkpoint: int
    writer: str | None


class Clock(NamedTuple):
    """The server's clock against ours, in seconds, and how uncertain that is."""

    ahead_s: float
    uncertain_s: float


class Condition:
    """Questions to one database."""

    def __init__(self, connection: psycopg.Connection) -> None:
        """Use a connection that `connect` prepared."""
        self._connection = connection

    @classmethod
    def connect(cls, url: str) -> Self:
        """Connect, to read only.

        Raises:
            StoreUnavailable: It cannot be reached.
            ConfigurationError: It is no URL.
        """
        with translated():
            connection = psycopg.connect(
                url, autocommit=True, application_name="clearing doctor", connect_timeout=10
            )
            try:
                connection.execute(_SESSION.encode())
            except BaseException:
                connection.close()
                raise
        return cls(connection)

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def version(self) -> int:
        """Of the server: 180006 is 18.6."""
        return self._connection.info.server_version

    def is_local(self) -> bool:
        """Whether the server runs on this machine, as far as the connection tells."""
        host = self._connection.info.host
        return host.startswith("/") or host in {"localhost", "127.0.0.1", "::1"}

    def is_encrypted(self) -> bool:
        """Whether the connection is under TLS."""
        return self._connection.pgconn.ssl_in_use

    def login(self) -> tuple[str, bool]:
        """Who is connected, and whether as superuser."""
        rows = self._rows(
            "SELECT session_user::text, rolsuper FROM pg_roles WHERE rolname = session_user"
        )
        return rows[0][0], rows[0][1]

    def may_act_as(self, role: str) -> bool:
        """Whether the login may take a role of this name, where there is one."""
        found = self._rows(
            "SELECT pg_has_role(session_user, oid, 'SET') FROM pg_roles WHERE rolname = %s", role
        )
        return bool(found) and bool(found[0][0])

    def settings(self, names: Sequence[str]) -> dict[str, str]:
        """Settings of this login, as they are shown; unknown ones are left out."""
        rows = self._rows(
            "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s)", list(names)
        )
        return dict(rows)

    def files_directory(self) -> str | None:
        """Where the server keeps its files; None when this login may not know."""
        with translated(), suppress(errors.InsufficientPrivilege):
            row = self._connection.execute("SHOW data_directory").fetchone()
            return None if row is None else str(row[0])
        return None

    def clock(self) -> Clock:
        """Its clock: the best of three questions."""
        found = []
        for _ in range(3):
            before = time.time()
            (row,) = self._rows("SELECT extract(epoch FROM clock_timestamp())::float8")
            after = time.time()
            found.append(Clock(row[0] - (before + after) / 2, (after - before) / 2))
        return min(found, key=lambda clock: clock.uncertain_s)

    def schema(self) -> tuple[str | None, str | None, str | None]:
        """Revision and fingerprint of the schema, and the oldest that it admits, or None."""
        rows = self._rows(
            "SELECT obj_description(to_regnamespace('ledger'), 'pg_namespace'),"
            " EXISTS (SELECT FROM pg_class WHERE relname = 'alembic_version'"
            "          AND relnamespace = to_regnamespace('ledger'))"
        )
        made_by = rows[0][0]
        known = MadeBy.read(made_by)
        fingerprint = made_by if known is None else known.fingerprint
        oldest = None if known is None else known.oldest
        if not rows[0][1]:
            return None, fingerprint, oldest
        with suppress(errors.InsufficientPrivilege):
            revisions = self._connection.execute("SELECT version_num FROM ledger.alembic_version")
            return str(revisions.fetchall()[0][0]), fingerprint, oldest
        return None, fingerprint, oldest

    def roles(self) -> list[Role]:
        """Roles of the ledger, by name."""
        return [Role(*row) for row in self._rows(_ROLES)]

    def relations(self) -> list[Relation]:
        """Tables and views of all three schemas, by name."""
        return [Relation(*row) for row in self._rows(_RELATIONS)]

    def posting_leaves(self) -> list[str]:
        """Partitions of postings that rows go to, `schema.name`."""
        return [row[0] for row in self._rows(_POSTING_LEAVES)]

    def functions(self) -> list[Function]:
        """Functions of all three schemas, by name."""
        return [Function(*row) for row in self._rows(_FUNCTIONS)]

    def triggers(self) -> list[Trigger]:
        """All triggers of the books."""
        return [Trigger(*row) for row in self._rows(_TRIGGERS)]

    def privileges(self) -> set[Privilege]:
        """What others than the owner may do in all three schemas."""
        return {Privilege(*row) for row in self._rows(_PRIVILEGES)}

    def act_as(self, roles: Sequence[str]) -> str | None:
        """Take the first of the roles that the login may take, for the questions below."""
        for role in roles:
            if self.may_act_as(role):
                with translated():
                    self._connection.execute(b"SET ROLE " + role.encode())
                return role
        return None

    def shards(self) -> list[ShardCondition]:
        """All shards, by name."""
        return [ShardCondition(*row) for row in self._rows(_SHARDS, LOCK_CLASS)]

    def leaf_ends(self, shard: int) -> Mapping[str, int]:
        """Where the last partition of events, postings and records ends, as attached."""
        ends = {}
        for stem in ("event", "posting", "record"):
            rows = self._rows(
                "SELECT max(substring(pg_get_expr(c.relpartbound, c.oid)"
                " FROM 'TO \\(''?(\\d+)')::bigint) FROM pg_inherits JOIN pg_class c"
                " ON c.oid = inhrelid WHERE inhparent = to_regclass(%s)",
                f"ledger.{stem}_{shard}",
            )
            ends[stem] = int(rows[0][0] or 0)
        return ends

    def offsets(self) -> dict[tuple[Source, int], int]:
        """The smallest next offset of each source and partition."""
        return {(Source(*row[:3]), row[3]): row[4] for row in self._rows(_OFFSETS)}

    def keys(self) -> list[SigningKey]:
        """Keys that sign checkpoints, the oldest first."""
        with translated():
            return checkpoints.keys(self._connection)

    def rejections(self) -> list[tuple[str, str, int]]:
        """Pool, code and number of refused messages that wait; of 10,000 at most."""
        return self._rows(_REJECTIONS, REJECTIONS_MAX)

    def _rows(self, query: str, *values: object) -> list[Any]:
        with translated():
            return self._connection.execute(query.encode(), values or None).fetchall()
