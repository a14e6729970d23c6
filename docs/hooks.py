"""Hooks of mkdocs: pages that are not files under ``docs/``, and links that GitHub can follow too.

The home page is the README; the reference has a page for each package, written from its exported
names, so that there is no list to keep.
"""

import importlib
import inspect
import pkgutil
import posixpath
import re
import sys
from pathlib import Path
from types import ModuleType

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
MOVED = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Pages of the repository's top, and where the site has them."""
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]*)(#[^)\s]*)?\)")


class Markdown(griffe.Extension):
    """Docstrings mark a block of text with two colons, as reST has it; Markdown needs none."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Leave one colon of two after a sentence, and none on a line of their own."""
        if obj.docstring:
            text = re.sub(r"^ *::$", "", obj.docstring.value, flags=re.MULTILINE)
            obj.docstring.value = re.sub(r"::$", ":", text, flags=re.MULTILINE)


def exported(module: ModuleType) -> list[str]:
    """Names that a package offers: its ``__all__``, else what it takes from its modules."""
    listed = getattr(module, "__all__", None)
    names = (
        [name for name in dir(module) if _is_offered(module, name)] if listed is None else listed
    )
    return sorted(name for name in names if not inspect.ismodule(getattr(module, name)))


def _is_offered(module: ModuleType, name: str) -> bool:
    origin = getattr(getattr(module, name), "__module__", None) or ""
    return name[0] != "_" and origin.startswith("tsclr.") and origin != module.__name__


def packages() -> dict[str, list[str]]:
    """Every package of tsclr that exports something, tsclr first, with the exported names."""
    root = importlib.import_module("tsclr")
    children = sorted(child.name for child in pkgutil.iter_modules(root.__path__) if child.ispkg)
    modules = [root, *(importlib.import_module(f"tsclr.{child}") for child in children)]
    return {module.__name__: names for module in modules if (names := exported(module))}


def reference_page(package: str, names: list[str]) -> str:
    """The page of a package: its docstring and an entry for each exported name."""
    module = importlib.import_module(package)
    entries = [
        f"::: {_origin(module, name)}\n    options:\n      heading: {name}" for name in names
    ]
    lines = (inspect.getdoc(module) or "").replace("``", "`")
    return "\n\n".join([f"# {package}", lines, *entries])


def _origin(module: ModuleType, name: str) -> str:
    """Where a name is defined, which is where its documentation stands."""
    value = getattr(module, name)
    where = getattr(value, "__module__", None) or module.__name__
    return f"{where}.{getattr(value, '__qualname__', name)}"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the reference to the navigation."""
    reference = [{package: f"reference/{package}.md"} for package in packages()]
    config.nav.insert(-1, {"Reference": reference})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that no file under ``docs/`` holds."""
    for source, target in MOVED.items():
        text = (ROOT / source).read_text()
        files.append(File.generated(config, target, content=text))
    for package, names in packages().items():
        page = reference_page(package, names)
        files.append(File.generated(config, f"reference/{package}.md", content=page))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Links as the site needs them."""
    return for_site(markdown, page.file.src_uri)


def for_site(markdown: str, uri: str) -> str:
    """Links between files of the repository as links between pages; without a page, plain text."""
    at_top = {target: source for source, target in MOVED.items()}
    folder = posixpath.dirname(at_top.get(uri, f"docs/{uri}"))
    here = posixpath.dirname(uri) or "."

    def on_site(link: re.Match[str]) -> str:
        image, text, target, anchor = link.groups(default="")
        if not target or ":" in target:
            return link[0]
        path = posixpath.normpath(posixpath.join(folder, target))
        page = MOVED.get(path, path.removeprefix("docs/"))
        if page == path:
            return text
        return f"{image}[{text}]({posixpath.relpath(page, here)}{anchor})"

    return LINK.sub(on_site, markdown)
