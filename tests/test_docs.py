"""The documentation as its readers use it: its code runs, its links lead somewhere."""

import inspect
import re
from pathlib import Path

import pytest
import yaml

from benchmarks.readme import PAGES, ROOT, filled
from docs import hooks
from tests.support.pages import blocks, run_page
from tsclr.datasets import Synthetic

DOCS = ROOT / "docs"
RUN = [ROOT / "README.md", DOCS / "quickstart.md", *sorted((DOCS / "tutorials").glob("*.md"))]
"""Pages all of whose Python and shell is run."""
ALL = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
LINK = re.compile(r"\]\(([^)\s#]*)(?:#([^)\s]*))?\)")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", RUN, ids=name_of)
def test_the_code_of_a_page_runs_in_order(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    small = (None, 4, 4.0, 0)  # four people, four minutes each
    monkeypatch.setattr(inspect.unwrap(Synthetic.__init__), "__defaults__", small)
    Synthetic().write_logs(Path("my_logs"))
    run_page(page.read_text())


def test_every_page_shows_code_in_a_language_that_is_run_or_marked() -> None:
    for page in ALL:
        languages = {language for language, _ in blocks(page.read_text())}
        assert languages <= {"python", "bash", "yaml", "sh", "text"}, page


@pytest.mark.parametrize("page", ALL, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text()):
        if ":" in target:
            continue
        other = (page.parent / target).resolve() if target else page
        assert other.exists(), target
        if anchor:
            assert anchor in anchors(other.read_text()), f"{target}#{anchor}"


def anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", ALL, ids=name_of)
def test_prose_writes_decimals_with_a_leading_zero(page: Path) -> None:
    prose = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(), flags=re.DOTALL)
    assert re.findall(r"(?<![\w.])\.\d+\b", prose) == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_results_are_those_of_the_result_files(page: Path) -> None:
    assert filled(page) == page.read_text()


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text()
    for page in DOCS.rglob("*.md"):
        assert f": {page.relative_to(DOCS)}" in navigation, page


def test_the_reference_has_an_entry_for_every_exported_name() -> None:
    packages = hooks.packages()
    assert {"tsclr.augment", "tsclr.objectives", "tsclr.encoders"} <= packages.keys()
    for package, names in packages.items():
        page = hooks.reference_page(package, names)
        assert page.count("\n::: tsclr.") == len(names) > 0
    assert "::: tsclr.objectives.momentum.MoCo" in hooks.reference_page(
        "tsclr.objectives", packages["tsclr.objectives"]
    )


def test_the_site_sends_links_to_pages_it_has_and_drops_the_others() -> None:
    text = "[a](docs/quickstart.md) [b](CHANGELOG.md#x) [c](LICENSE) ![d](docs/pictures/views.svg)"
    expected = "[a](quickstart.md) [b](changelog.md#x) c ![d](pictures/views.svg)"
    assert hooks.for_site(text, "index.md") == expected
    inside = "[a](../results.md#few-labels) [b](../../CONTRIBUTING.md) [c](../../configs)"
    expected = "[a](../results.md#few-labels) [b](../contributing.md) c"
    assert hooks.for_site(inside, "tutorials/evaluate.md") == expected


@pytest.mark.parametrize("page", [DOCS / "logs.md", DOCS / "benchmarks.md"], ids=name_of)
def test_the_yaml_of_a_page_is_yaml(page: Path) -> None:
    (block,) = [block for language, block in blocks(page.read_text()) if language == "yaml"]
    assert yaml.safe_load(block)
