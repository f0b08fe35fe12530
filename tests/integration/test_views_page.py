"""The page on views says of each view and column what the database says."""

import re
from pathlib import Path

import psycopg

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "reference" / "views.md"
_COMMENTS = """
    SELECT view.relname, obj_description(view.oid, 'pg_class'), part.attname,
           col_description(view.oid, part.attnum)
      FROM pg_class AS view JOIN pg_attribute AS part ON part.attrelid = view.oid
     WHERE view.relnamespace = 'reporting'::regnamespace AND view.relkind = 'v' AND attnum > 0
     ORDER BY view.relname, attnum"""


def documented() -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """Of each view on the page: its sentence, and its columns with their meaning, in order."""
    found = {}
    sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for section in sections:
        if view := re.match(r"`([a-z_]+)`\n\n(.*)\n", section):
            columns = re.findall(
                r"^\| `([a-z_]+)` \| [a-z\[\]]+ \| (.*) \|$", section, re.MULTILINE
            )
            found[view.group(1)] = (view.group(2), columns)
    return found


def test_every_view_and_column_is_described_in_the_words_of_its_comment(database_url: str) -> None:
    commented: dict[str, tuple[str, list[tuple[str, str]]]] = {}
    with psycopg.connect(database_url) as connection:
        for view, sentence, column, meaning in connection.execute(_COMMENTS):
            commented.setdefault(view, (sentence, []))[1].append((column, meaning))
    assert commented
    assert documented() == commented


def test_every_function_of_the_schema_is_described(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'reporting'::regnamespace"
        ).fetchall()
    page = PAGE.read_text(encoding="utf-8")
    assert rows
    assert not [name for (name,) in rows if f"`reporting.{name}(" not in page]
