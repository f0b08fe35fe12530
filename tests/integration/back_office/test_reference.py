"""The page on the back office says of each view what the database says, and the doctor looks there.

`python -m tests.integration.back_office.test_reference` writes the views into the page.
"""

import re
import tempfile
from pathlib import Path

import psycopg

from ledger.audit.doctor.examination import examined
from ledger.store import embedded
from ledger.store.migrate import migrate

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "back-office.md"
_COMMENTS = """
    SELECT view.relname, obj_description(view.oid, 'pg_class'), part.attname,
           format_type(part.atttypid, NULL), col_description(view.oid, part.attnum)
      FROM pg_class AS view JOIN pg_attribute AS part ON part.attrelid = view.oid
     WHERE view.relnamespace = 'back_office'::regnamespace AND view.relkind = 'v' AND attnum > 0
     ORDER BY view.relname, attnum"""
_BEGINS = "## `"


def commented(url: str) -> str:
    """The views and their columns, from the database's own comments, as they stand on the page."""
    lines: list[str] = []
    seen = set()
    with psycopg.connect(url) as connection:
        for view, sentence, column, kind, meaning in connection.execute(_COMMENTS):
            if view not in seen:
                seen.add(view)
                lines += ["", f"{_BEGINS}back_office.{view}`", "", sentence, ""]
                lines += ["| column | type | meaning |", "|---|---|---|"]
            lines.append(f"| `{column}` | {kind} | {meaning} |")
    return "\n".join(lines[1:]) + "\n"


def test_every_view_and_column_is_described_in_the_words_of_its_comment(database_url: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page[page.index(_BEGINS) :] == commented(database_url)


def test_every_table_is_named_on_the_page(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        tables = connection.execute(
            "SELECT relname FROM pg_class"
            " WHERE relnamespace = 'back_office'::regnamespace AND relkind = 'r'"
        ).fetchall()
    page = PAGE.read_text(encoding="utf-8")
    listed = page[page.index("## Tables") : page.index(_BEGINS)]
    named = set(re.findall(r"^\| `([a-z_]+)` \|", listed, re.MULTILINE))
    assert named == {table for (table,) in tables}


def test_the_doctor_finds_what_was_done_to_the_guards_and_rights_of_the_back_office(
    database_url: str,
) -> None:
    def found(name: str) -> str:
        return next(check.found for check in examined(database_url) if check.name == name)

    assert found("grants beyond") == "nobody may do more"
    assert "append-only" in found("triggers")
    with psycopg.connect(database_url, autocommit=True) as connection:
        for statement in (
            "ALTER TABLE back_office.break_event DISABLE TRIGGER checked_by_another",
            "DROP TRIGGER never_changed ON back_office.token",
            "DROP TRIGGER proposed_just_now ON back_office.correction",
            "REVOKE INSERT ON back_office.control FROM clearing_back_office",
            "GRANT INSERT ON back_office.break_event TO clearing_reader",
        ):
            connection.execute(statement.encode())
    assert sorted(found("triggers").split(", ")) == [
        "back_office.correction has no proposed_just_now",
        "back_office.token has no never_changed",
        "checked_by_another of back_office.break_event is not enabled ALWAYS (D)",
    ]
    assert found("grants") == "missing: INSERT on back_office.control for clearing_back_office"
    assert found("grants beyond") == "INSERT on back_office.break_event for clearing_reader"


def main() -> None:
    """Write the views into the page."""
    with tempfile.TemporaryDirectory(prefix="clearing-") as folder:
        server = embedded.start(Path(folder) / "postgres")
        migrate(server.url)
        page = PAGE.read_text(encoding="utf-8")
        begins = page.index(_BEGINS) if _BEGINS in page else len(page)
        PAGE.write_text(page[:begins] + commented(server.url), encoding="utf-8")
        server.stop()


if __name__ == "__main__":
    main()
