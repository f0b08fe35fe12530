"""Checks of the books' own protection: roles, grants, triggers, partitions, writers."""

from collections.abc import Iterator

from ledger.audit.doctor.check import Check, bad, listed, ok, warn
from ledger.store.audit.condition import (
    Condition,
    Function,
    Relation,
    Role,
    ShardCondition,
    Trigger,
)
from ledger.store.expected import Privilege, function_bodies, guarded_tables, privileges
from ledger.store.log.postgres import LEAF_AHEAD
from ledger.store.schema import OWNER

UNSEALED_MAX = 250_000
"""Events without a checkpoint; one is due every 100,000."""

WRITING = {"INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER", "REFERENCES", "CREATE", "MAINTAIN"}

_REFUSE, _BALANCE = "ledger.refuse_change", "ledger.refuse_unbalanced"
_OWN_CHECK = "back_office.refuse_own_check"
_LATE = "back_office.refuse_late_correction"
_OTHER_RUN = "back_office.refuse_other_run"
_OF_RUNS = {
    f"back_office.{table}"
    for table in ("run_input", "candidate", "control", "break", "sighting", "break_event")
}
_LEAVES = ("event", "posting", "record", "event_identity")
_ROLES = ("owner", "writer", "reader", "auditor", "retention", "back_office", "tokens")


def role_checks(condition: Condition) -> Iterator[Check]:
    """Who there is, and who owns everything."""
    login, is_superuser = condition.login()
    yield roles_check(condition.roles())
    owners = {f"{one.schema}.{one.name}": one.owner for one in condition.relations()}
    owners |= {one.name: one.owner for one in condition.functions()}
    yield owners_check(owners)
    if is_superuser:
        yield warn(
            "login",
            f"{login} is a superuser, and may switch every guard off",
            "run the ledger as a login of its own: docs/operating/run.md",
        )
    elif not condition.may_act_as("clearing_writer"):
        yield warn(
            "login",
            f"{login} may not act as clearing_writer: clearing run cannot use it",
            f"GRANT clearing_writer TO {login} WITH SET TRUE, unless it is not for writing",
        )
    else:
        yield ok("login", f"{login} may act as clearing_writer, and is no superuser")


def roles_check(found: list[Role]) -> Check:
    """Whether all roles are there, and none of them can log in or do more than it was granted."""
    known = {role.name: role for role in found}
    wanted = [f"clearing_{name}" for name in _ROLES]
    missing = [name for name in wanted if name not in known]
    if missing:
        return bad("roles", f"there is no {listed(missing)}", "clearing migrate")
    wrong = [n for n in wanted if known[n].may_login or known[n].is_mighty]
    if wrong:
        return bad(
            "roles",
            f"{listed(wrong)} can log in, or is more than an ordinary role",
            "ALTER ROLE ... NOLOGIN NOSUPERUSER NOCREATEROLE NOBYPASSRLS NOREPLICATION",
        )
    return ok("roles", listed(wanted))


def owners_check(owners: dict[str, str]) -> Check:
    """Whether everything belongs to the owner that nobody acts as."""
    foreign = sorted(f"{name} to {owner}" for name, owner in owners.items() if owner != OWNER)
    if foreign:
        return bad("owners", f"belongs: {listed(foreign)}", f"ALTER ... OWNER TO {OWNER}")
    return ok("owners", f"{len(owners)} tables, views and functions belong to {OWNER}")


def grant_checks(condition: Condition) -> Iterator[Check]:
    """Whether everybody may do what the schema says, and nothing else."""
    relations = condition.relations()
    views = [f"{one.schema}.{one.name}" for one in relations]
    functions = sorted({one.name for one in condition.functions()})
    expected = privileges(views, functions, condition.posting_leaves())
    yield from grants_check(expected, condition.privileges())


def grants_check(expected: set[Privilege], found: set[Privilege]) -> Iterator[Check]:
    """What is missing, and what is too much."""
    missing = sorted(_said(one) for one in expected - found)
    if missing:
        yield bad("grants", f"missing: {listed(missing)}", "as the owner: GRANT ... ON ... TO ...")
    else:
        yield ok("grants", f"all {len(expected)} are there")
    extra = found - expected
    writing = sorted(_said(one) for one in extra if one.right in WRITING)
    reading = sorted(_said(one) for one in extra if one.right not in WRITING)
    todo = "REVOKE what nobody remembers granting"
    if writing:
        yield bad("grants beyond", listed(writing), todo)
    elif reading:
        yield warn("grants beyond", listed(reading), todo)
    else:
        yield ok("grants beyond", "nobody may do more")


def _said(one: Privilege) -> str:
    return f"{one.right} on {one.target} for {one.role}"


def guard_checks(condition: Condition) -> Iterator[Check]:
    """Whether every table and partition refuses changes and unbalanced entries."""
    yield triggers_check(condition.relations(), condition.triggers())
    yield functions_check(condition.functions())


def triggers_check(relations: list[Relation], triggers: list[Trigger]) -> Check:
    """Whether each append-only table has its triggers, enabled ALWAYS, with the right function."""
    held = {(one.relation, one.name): one for one in triggers}
    wrong = []
    guarded = [_table(relation) for relation in relations if _is_guarded(relation)]
    for name in guarded:
        wanted = {"never_changed": _REFUSE, "never_emptied": _REFUSE}
        if name == "posting" or name.startswith("posting_"):
            wanted["always_balanced"] = _BALANCE
        if name == "back_office.break_event":
            wanted["checked_by_another"] = _OWN_CHECK
        if name in _OF_RUNS:
            wanted["of_its_own_run"] = _OTHER_RUN
        if name == "back_office.correction":
            wanted["proposed_just_now"] = _LATE
        for trigger, function in wanted.items():
            found = held.get((name, trigger))
            if found is None:
                wrong.append(f"{name} has no {trigger}")
            elif found.enabled != "A":
                wrong.append(f"{trigger} of {name} is not enabled ALWAYS ({found.enabled})")
            elif found.function != function:
                wrong.append(f"{trigger} of {name} calls {found.function}")
    if wrong:
        return bad(
            "triggers",
            listed(wrong),
            "ALTER TABLE ledger.... ENABLE ALWAYS TRIGGER ...; then clearing verify --mode all",
        )
    return ok("triggers", f"{len(guarded)} tables and partitions are append-only")


def _table(relation: Relation) -> str:
    return relation.name if relation.schema == "ledger" else f"{relation.schema}.{relation.name}"


def _is_guarded(relation: Relation) -> bool:
    if relation.kind not in {"r", "p"}:
        return False
    return _table(relation) in guarded_tables() or any(
        relation.name.removeprefix(f"{stem}_").replace("_", "").isdigit() for stem in _LEAVES
    )


def functions_check(functions: list[Function]) -> Check:
    """Whether the functions that guard the books are those of this version."""
    held = {one.name: one.body for one in functions}
    expected = function_bodies()
    wrong = sorted(name for name, body in expected.items() if held.get(name) != body)
    if wrong:
        return bad(
            "functions",
            f"not as this version made them: {listed(wrong)}",
            "find out who changed them; then clearing verify --mode all",
        )
    return ok("functions", f"{len(expected)} are as this version made them")


def shard_checks(condition: Condition) -> Iterator[Check]:
    """Partitions ahead, writers, checkpoints, rejections."""
    shards = condition.shards()
    if not shards:
        yield ok("shards", "none yet: nothing was booked")
        return
    ends = {one.shard: min(condition.leaf_ends(one.shard).values()) for one in shards}
    yield partitions_check(shards, ends)
    yield writers_check(shards)
    yield checkpoints_check(shards)
    yield rejections_check(condition.rejections())


def partitions_check(shards: list[ShardCondition], ends: dict[int, int]) -> Check:
    """Whether each shard has room for what comes."""
    torn = [
        f"{one.name} ends at {ends[one.shard]}, its head says {one.leaves_end}"
        for one in shards
        if ends[one.shard] != one.leaves_end
    ]
    if torn:
        return bad("partitions", listed(torn), "attach what was detached, or restore")
    left = {one.name: one.leaves_end - one.next_sequence for one in shards}
    short = [f"{name} has {room}" for name, room in left.items() if room < LEAF_AHEAD // 2]
    if short:
        return warn(
            "partitions",
            f"sequences left: {listed(short)}, expected {LEAF_AHEAD // 2} or more",
            "the writer opens the next with its next batch; if not, see its log",
        )
    return ok("partitions", f"{min(left.values())} sequences or more are left everywhere")


def writers_check(shards: list[ShardCondition]) -> Check:
    """Whether somebody writes each shard."""
    idle = [one.name for one in shards if one.writer is None]
    if idle:
        return warn("writers", f"nobody writes {listed(idle)}", "start clearing run")
    return ok("writers", f"each of {len(shards)} shards has one")


def checkpoints_check(shards: list[ShardCondition]) -> Check:
    """Whether checkpoints follow the events."""
    open_ends = {one.name: one.next_sequence - 1 - one.checkpoint for one in shards}
    late = [f"{name} has {count}" for name, count in open_ends.items() if count > UNSEALED_MAX]
    if late:
        return warn(
            "checkpoints", f"events without one: {listed(late)}", "clearing checkpoint --out FILE"
        )
    return ok("checkpoints", f"{max(open_ends.values())} events or fewer stand without one")


def rejections_check(waiting: list[tuple[str, str, int]]) -> Check:
    """Whether refused messages wait for somebody."""
    if not waiting:
        return ok("rejections", "none waits")
    said = [f"{count} {code} of {pool}" for pool, code, count in waiting]
    return warn("rejections", listed(said), "clearing redrive --dry-run; docs/operating/run.md")
