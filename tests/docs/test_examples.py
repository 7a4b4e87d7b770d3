"""Every example runs: the Python blocks of the README and of the pages in docs, and the examples in docstrings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet
from sybil import Document, Region, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser
from sybil.parsers.rest import DocTestParser

from tests._support.services import require_or_skip

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
MODULES = sorted(ROOT.glob("src/tasker/**/*.py"))

fenced = CodeBlockParser("python", PythonEvaluator())


def programs(document: Document) -> Iterable[Region]:
    """Find the fenced blocks without prompts; those with prompts are found as doctests, with or without a fence."""
    return [region for region in fenced(document) if not region.parsed.startswith(">>>")]


IN_PAGES = Sybil([PythonCodeBlockParser(), SkipParser()])
IN_DOCSTRINGS = Sybil([DocTestParser(), programs])


def documents(sybil: Sybil, paths: list[Path]) -> list[ParameterSet]:
    """Parse the files that exist; one without examples is no test."""
    parsed = {str(path.relative_to(ROOT)): sybil.parse(path) for path in paths if path.exists()}
    return [pytest.param(document, id=name) for name, document in parsed.items() if document.regions]


def run(document: Document) -> None:
    # As a program, so that what stands under `if __name__ == "__main__"` runs too.
    document.namespace["__name__"] = "__main__"
    for example in document:
        example.evaluate()


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("document", documents(IN_PAGES, PAGES))
def test_examples_in_a_page_run(document: Document) -> None:
    run(document)


@pytest.mark.parametrize("document", documents(IN_DOCSTRINGS, MODULES))
def test_examples_in_docstrings_run(document: Document) -> None:
    try:
        run(document)
    except ModuleNotFoundError as error:
        require_or_skip(error.name and error.name.startswith("tasker"), f"{error.name} is not installed")
        raise
