"""Modules in, the closure of their imports out: all code that a result may depend on.

A module depends on whatever it imports, at its top or inside a function. An ``__init__`` that only
passes names on is looked through, so that a plug-in does not depend on its whole package::

    from tsclr.augment import Augmentation   ─►   tsclr.augment.base, and no view

Files are parsed and nothing is run. Imports for type checkers and imports of installed packages are
not followed. A class that is looked up by its name while the code runs leaves no trace in the
source, so whoever asks for a closure also names the modules of such classes.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec, resolve_name
from pathlib import Path
from re import MULTILINE, findall
from typing import Any

from tsclr.files import digest, sha256

CODE, ALL = "", "*"
"""Instead of a name in a module: the code of the module, and every name it has."""
INSTALLED = {"site-packages", "dist-packages"}
"""Folders of installed packages."""
SCOPES = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Node = tuple[str, str]
"""A module, and one of its names, `CODE` or `ALL`."""


@dataclass(frozen=True)
class Import:
    """A name that an import binds: ``from module import name as local``.

    The name is `CODE` in ``import module as local``, the local one empty in ``import a.b``.
    """

    module: str
    name: str
    local: str


@dataclass(frozen=True)
class Source:
    """What the source of a module says; of a lazy package, its stub says what it exports.

    Parameters
    ----------
    code : str
        The source.
    imports : list of Import
        All of its imports, also those inside functions.
    exported : list of Import
        Imports at its top, whose names others can import from here.
    defined : set of str
        Functions, classes and values that it defines.
    public : list of str, optional
        Its ``__all__``.
    acts : bool
        Whether importing it does more than to bind names.
    """

    code: str
    imports: list[Import]
    exported: list[Import]
    defined: set[str]
    public: list[str] | None
    acts: bool

    @classmethod
    def parse(cls, code: str, stub: str, package: str) -> "Source":
        """Read a module of a package and its stub."""
        # The trees are not kept: every collection of garbage would walk through all of them.
        tree = ast.parse(code)
        top = [*_statements(tree.body), *_statements(ast.parse(stub).body)]
        stored = {
            node.id
            for item in top
            if isinstance(item, ast.Assign | ast.AnnAssign)
            for node in ast.walk(item)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        public = [
            ast.literal_eval(item.value)
            for item in top
            if isinstance(item, ast.Assign)
            and _name(item.targets[0]) == "__all__"
            and isinstance(item.value, ast.List | ast.Tuple)
        ]
        return cls(
            code,
            list(_imports(_statements(tree.body, nested=True), package)),
            list(_imports(top, package)),
            stored | {item.name for item in top if isinstance(item, SCOPES)},
            next(iter(public), None),
            any(map(_acts, top)),
        )

    def uses(self, local: str) -> set[str]:
        """Attributes that the code takes of a name; `ALL` where it passes the name on as it is."""
        nodes = list(ast.walk(ast.parse(self.code)))
        attributes = [
            node.attr
            for node in nodes
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == local
        ]
        n_mentions = sum(isinstance(node, ast.Name) and node.id == local for node in nodes)
        return set(attributes) if local and len(attributes) == n_mentions else {ALL}


class ImportGraph:
    """Which module imports which: of a package, and of code of the user's own beside it.

    Parameters
    ----------
    folder : Path
        Folder of the package.

    Examples
    --------
    >>> import tsclr
    >>> reached = ImportGraph(Path(tsclr.__file__).parent).closure(["tsclr.augment.rate"])
    >>> "tsclr.augment.base" in reached, "tsclr.augment.mixing" in reached
    (True, False)
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, Path | None] = {}
        self._sources: dict[str, Source] = {}
        self._neighbours: dict[Node, set[Node]] = {}
        self._hashes: dict[str, str] = {}
        self._digests: dict[frozenset[str], str] = {}

    def closure(self, modules: Iterable[str]) -> list[str]:
        """The modules and all that they import in turn, without those of installed packages."""
        waiting: list[Node] = [(module, CODE) for module in modules]
        reached = set(waiting)
        while waiting:
            node = waiting.pop()
            if node not in self._neighbours:
                self._neighbours[node] = self._next(*node)
            waiting += self._neighbours[node] - reached
            reached |= self._neighbours[node]
        return sorted(module for module, name in reached if name == CODE and self.file(module))

    def digest(self, modules: Iterable[str]) -> str:
        """Hash of the files of a closure and of their names."""
        key = frozenset(modules)
        if key not in self._digests:
            # A module that moves counts as changed, since it may be imported in place of another.
            self._digests[key] = digest(
                {module: self._hash(module) for module in self.closure(key)}
            )
        return self._digests[key]

    def defining(self, name: str) -> list[str]:
        """Modules of the package that define a class of this name."""
        return self._classes.get(name, [])

    def file(self, module: str) -> Path | None:
        """File of a module; None if it is installed, built in, or no module."""
        if module not in self._files:
            self._files[module] = self._find(module)
        return self._files[module]

    @cached_property
    def _classes(self) -> dict[str, list[str]]:
        """Modules of the package by the classes that they define."""
        modules: dict[str, list[str]] = {}
        for file in sorted(self.folder.rglob("*.py")):
            module = ".".join((self.folder.name, *file.relative_to(self.folder).parts))
            module = module.removesuffix(".py").removesuffix(".__init__")
            for name in findall(r"^class (\w+)", file.read_text("utf-8"), MULTILINE):
                modules.setdefault(name, []).append(module)
        return modules

    def _hash(self, module: str) -> str:
        if module not in self._hashes:
            file = self.file(module)
            self._hashes[module] = "" if file is None else sha256(file)
        return self._hashes[module]

    def _find(self, module: str) -> Path | None:
        top, *inner = module.split(".")
        root = self.folder if top == self.folder.name else _own_root(top)
        if root is None or (inner and root.suffix):
            return None
        path = root.joinpath(*inner)
        if path.suffix == ".py":
            return path
        candidates = path / "__init__.py", path.with_name(f"{path.name}.py")
        return next((file for file in candidates if file.is_file()), None)

    def _is_package(self, module: str) -> bool:
        file = self.file(module)
        return file is not None and file.name == "__init__.py"

    def _source(self, module: str) -> Source:
        """The parsed files of a module that has one."""
        if module not in self._sources:
            file = self.file(module)
            stub = file and file.with_suffix(".pyi")
            package = module if self._is_package(module) else module.rpartition(".")[0]
            self._sources[module] = Source.parse(_text(file), _text(stub), package)
        return self._sources[module]

    def _next(self, module: str, name: str) -> set[Node]:
        """What a node needs directly: the imports of code, and where a name comes from."""
        if self.file(module) is None:
            return set()
        if name == CODE:
            return {*self._imported_by(self._source(module)), *self._acting_parents(module)}
        if not self._is_package(module):
            return {(module, CODE)}
        return {(module, CODE)} if name.startswith("__") else self._behind(module, name)

    def _imported_by(self, source: Source) -> Iterator[Node]:
        for item in source.imports:
            target = f"{item.module}.{item.name}" if item.name else item.module
            if self._is_package(target):  # of a package only what is used of it
                yield from ((target, name) for name in source.uses(item.local))
            else:
                yield item.module, item.name or ALL

    def _acting_parents(self, module: str) -> Iterator[Node]:
        """Packages around a module, which are imported before it, that do more than bind names."""
        while module := module.rpartition(".")[0]:
            if self.file(module) and self._source(module).acts:
                yield module, CODE

    def _behind(self, package: str, name: str) -> set[Node]:
        """Where a package has a name from: all imports and definitions that may bind it."""
        source, inner = self._source(package), f"{package}.{name}"
        named = [item for item in source.exported if item.name != ALL]
        stars = [item.module for item in source.exported if item.name == ALL]
        origins = {(item.module, item.name or ALL) for item in named if item.local == name}
        origins |= {(star, name) for star in stars if name in self._exports(star)}
        origins |= {(package, CODE)} if name in source.defined else set()
        if origins - {(package, name)}:
            return origins - {(package, name)}
        if self.file(inner):
            return {(inner, ALL)}
        # All names are asked for, or one that nothing binds: then everything may be meant.
        every = {(item.module, item.name or ALL) for item in named} - {(package, name)}
        return {(package, CODE), *every, *((star, ALL) for star in stars)}

    def _exports(self, module: str) -> set[str]:
        """Names that ``from module import *`` binds."""
        if self.file(module) is None:
            return set()
        source = self._source(module)
        if source.public is not None:
            return set(source.public)
        names = source.defined | {item.local for item in source.exported if item.name != ALL}
        stars = [item.module for item in source.exported if item.name == ALL]
        return {name for name in names if not name.startswith("_")}.union(
            *map(self._exports, stars)
        )


def _text(file: Path | None) -> str:
    """The text of a file, nothing if there is none."""
    return file.read_text("utf-8") if file and file.is_file() else ""


def _own_root(top: str) -> Path | None:
    """Folder or file of a package or module of the user's own, of which `top` is the first name."""
    if top in sys.stdlib_module_names:
        return None
    try:
        spec = find_spec(top)
    except ValueError:  # a module without a spec, as a script is
        file = getattr(sys.modules[top], "__file__", None)
        return file and Path(file)
    if spec is None:
        return None
    folders = list(spec.submodule_search_locations or [])
    root = Path(folders[0] if folders else spec.origin or "")
    is_own = INSTALLED.isdisjoint(root.parts) and (folders or root.suffix == ".py")
    return root if is_own else None


def _statements(body: Iterable[ast.AST], nested: bool = False) -> Iterator[ast.AST]:
    """Statements and those in their blocks, without blocks for type checkers only.

    Blocks of functions and classes are left out unless `nested`.
    """
    waiting: list[Any] = list(body)
    while waiting:
        item = waiting.pop()
        yield item
        if isinstance(item, ast.If) and _name(item.test) == "TYPE_CHECKING":
            waiting += item.orelse
        elif nested or not isinstance(item, SCOPES):
            for field in ("body", "orelse", "finalbody", "handlers", "cases"):
                waiting += getattr(item, field, ())


def _name(item: ast.AST) -> str | None:
    """A name, or the last of those between dots; None of another expression."""
    return getattr(item, "id", getattr(item, "attr", None))


def _acts(item: ast.AST) -> bool:
    """Whether a statement at the top of a module does more than to bind names."""
    is_text = isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant)
    return isinstance(item, ast.Expr | ast.For | ast.While | ast.With) and not is_text


def _imports(statements: Iterable[ast.AST], package: str) -> Iterator[Import]:
    for item in statements:
        if isinstance(item, ast.Import):
            for alias in item.names:
                # ``import a.b`` binds only ``a``, so what is used of ``a.b`` is not looked for.
                local = alias.asname or alias.name
                yield Import(alias.name, CODE, "" if "." in local else local)
        elif isinstance(item, ast.ImportFrom):
            module = item.module or ""
            if item.level:
                module = resolve_name("." * item.level + module, package)
            for alias in item.names:
                yield Import(module, alias.name, alias.asname or alias.name)
