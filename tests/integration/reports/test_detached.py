"""A report that needs what retention took away says so, and one that does not is made."""

from pathlib import Path

import pytest

from ledger.audit.archive.detach import detach_archived
from ledger.errors import StoreError
from ledger.reports.close.report import close
from ledger.reports.statement import statement
from tests.integration.test_detaching import archived, deposits, live
from tests.unit.desk import BEGINNING, said


def test_what_was_detached_cannot_be_reported_and_the_rest_can(
    database_url: str, tmp_path: Path
) -> None:
    cora = said("account", "r5", account="cora")
    live(database_url, [*BEGINNING, *deposits(1, "anna", "ben", "ben"), cora])
    live(database_url, deposits(5, "cora", "ben", "ben", "ben", "anna", "ben", "ben", "ben"), 9)
    archived(database_url, tmp_path / "kept")
    detach_archived(database_url, "main", 1, tmp_path / "kept", lambda *_: None)
    with pytest.raises(StoreError, match="were detached"):
        close(database_url, "main")
    with pytest.raises(StoreError, match="were detached"):
        statement(database_url, "main", "ben", "2")
    report = statement(database_url, "main", "ben", "9")
    assert report.taken_at["First event"] == "9"
