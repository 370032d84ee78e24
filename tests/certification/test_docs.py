"""docs/CERTIFICATION.md lists every test there is."""

from __future__ import annotations

import re
from pathlib import Path

from countersign.certification.catalogue import all_tests

_DOCUMENT = Path(__file__).parents[2] / "docs" / "CERTIFICATION.md"
_ROW = re.compile(r"^\| `([a-z-]+)` \|.*\| (essential|counts|reported) \|$", re.MULTILINE)


def _rows() -> list[tuple[str, str]]:
    return _ROW.findall(_DOCUMENT.read_text())


def test_the_document_lists_every_test_once() -> None:
    assert sorted(name for name, _ in _rows()) == sorted(test.name for test in all_tests())


def test_the_document_says_which_tests_are_essential() -> None:
    essential = {name for name, weight in _rows() if weight == "essential"}
    assert essential == {test.name for test in all_tests() if test.is_essential}
