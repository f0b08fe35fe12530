"""What is written on pages can be told from what it stands on, by the rules of WCAG 2.2."""

import re
from pathlib import Path

import pytest

STATIC = Path(__file__).resolve().parents[3] / "ledger" / "web" / "console" / "static"
CSS = (STATIC / "console.css").read_text(encoding="utf-8")
OF_TEXT, OF_FIELDS = 4.5, 3.0
WRITTEN = ("ink", "soft", "faint", "link", "gain", "loss", "warn")
GROUNDS = ("paper", "sheet", "mark", "past")

Theme = dict[str, str]


def themes() -> dict[str, Theme]:
    """Colours by name, of each theme."""
    blocks = re.findall(r':root(\[data-theme="(?:dark|auto)"\])? \{(.*?)\}', CSS, re.DOTALL)
    assert len(blocks) == 3
    names = ("light", "dark", "auto")
    return {
        name: dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block))
        for name, (_, block) in zip(names, blocks, strict=True)
    }


def luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark", "auto"])
@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("colour", WRITTEN)
def test_text_can_be_read(theme: str, colour: str, ground: str) -> None:
    colours = themes()[theme]
    assert contrast(colours[colour], colours[ground]) >= OF_TEXT


@pytest.mark.parametrize("theme", ["light", "dark", "auto"])
@pytest.mark.parametrize("ground", ["paper", "sheet", "past"])
def test_a_field_can_be_told_from_what_it_stands_on(theme: str, ground: str) -> None:
    colours = themes()[theme]
    assert contrast(colours["field"], colours[ground]) >= OF_FIELDS


def test_digits_are_never_made_paler_than_a_colour_that_can_be_read() -> None:
    parts = (STATIC / "parts.css").read_text(encoding="utf-8")
    assert "opacity" not in parts
