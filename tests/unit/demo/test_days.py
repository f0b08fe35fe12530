"""Which days were played: written down before they begin, and never mixed with others."""

from pathlib import Path

import pytest

from ledger.demo.days import Days, Played, require_same
from ledger.errors import ConfigurationError

URL = "postgresql://here/books"


def test_a_day_is_known_from_its_beginning_on(tmp_path: Path) -> None:
    days = Days(tmp_path / "home" / "days.json")
    assert days.known(URL) is None
    days.keep(URL, Played(1, 300).begin(60_000))
    known = days.known(URL)
    assert known == Played(1, 300, [60_000], is_complete=False)
    assert days.known("postgresql://elsewhere/books") is None


def test_a_day_that_was_broken_off_is_begun_again_with_its_own_size() -> None:
    broken_off = Played(1, 300, [60_000, 20_000], is_complete=False)
    assert broken_off.begin(90_000).days == [60_000, 20_000]
    assert broken_off.end().begin(90_000).days == [60_000, 20_000, 90_000]


def test_books_go_on_with_the_exchange_that_they_began_with() -> None:
    known = Played(1, 300, [60_000])
    require_same(known, None, None)
    require_same(known, 1, 300)
    for seed, participants in ((2, None), (None, 100), (1, 100)):
        with pytest.raises(ConfigurationError, match="--seed 1 --participants 300"):
            require_same(known, seed, participants)
