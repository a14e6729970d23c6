"""``python -m benchmarks.structure [REVISION …]``: the shape of the package, then and now.

The working tree is measured last; each revision before it is read from git. Figures come from the
syntax tree alone, so nothing of an old revision has to run.
"""

import ast
import io
import statistics
import subprocess
import sys
import tarfile
import tempfile
import tokenize
from collections.abc import Iterator
from pathlib import Path

from benchmarks.markdown import markdown
from benchmarks.results_folder import RESULTS

ROOT = Path(__file__).parent.parent
BEFORE = "31d8413"
"""Before the package was divided into rooms along the data flow."""
KINDS = {
    "a view": "Augmentation",
    "an encoder": "Encoder",
    "an objective": "Objective",
    "a head": "Head",
    "a method": "Method",
}
"""What can be plugged in, and the base of its classes."""
Figures = dict[str, str]


def figures(root: Path) -> Figures:
    """What one checkout measures."""
    package = root / "tsclr"
    files = sorted(package.rglob("*.py"))
    trees = {file: ast.parse(file.read_text()) for file in files}
    sizes = sorted(len(code_lines(node)) for tree in trees.values() for node in functions(tree))
    lines = [len(file.read_text().splitlines()) for file in files]
    modules = list(package.glob("*.py"))
    rooms = [path for path in package.iterdir() if (path / "__init__.py").exists()]
    edges = {
        (room_of(file, package), room_of(imported, package))
        for file, tree in trees.items()
        for imported in imports(tree, package)
    }
    edges = {(one, other) for one, other in edges if one != other}
    plug_ins = {
        f"files to add {kind}": files_to_add(base, trees, root / "configs")
        for kind, base in KINDS.items()
    }
    return plug_ins | {
        "modules at the top": str(len(modules)),
        "packages": str(len(rooms)),
        "import edges between them": str(len(edges)),
        "pairs of them in a cycle": str(
            sum((other, one) in closure(edges) for one, other in edges)
        ),
        "code lines of a function, median": f"{statistics.median(sizes):g}",
        "… 95th percentile": str(sizes[int(0.95 * len(sizes))]),
        "… longest": str(sizes[-1]),
        "longest file": str(max(lines)),
        "lines": f"{sum(lines):,}",
        "lines of code": f"{sum(len(code_lines(tree)) for tree in trees.values()):,}",
        "comments": f"{sum(map(n_comments, files)) / sum(lines):.1%}",
    }


def files_to_add(base: str, trees: dict[Path, ast.Module], configs: Path) -> str:
    """Files that a plug-in needs, its test among them: median over all of its kind.

    They are those of the package that name its class, and a config that is its own.
    """
    classes = [node for tree in trees.values() for node in ast.walk(tree)]
    parents = {
        node.name: {ast.unparse(parent) for parent in node.bases}
        for node in classes
        if isinstance(node, ast.ClassDef)
    }
    kinds, before = {base}, set()
    while kinds != before:
        before = set(kinds)
        kinds |= {name for name, bases in parents.items() if bases & kinds}
    names = {file: identifiers(tree) for file, tree in trees.items()}
    counts = [
        1
        + sum(kind in named for named in names.values())
        + (configs / f"{kind.lower()}_hapt.yaml").exists()
        for kind in kinds - {base}
    ]
    return f"{statistics.median(counts):g}" if counts else "no class"


def identifiers(tree: ast.AST) -> set[str]:
    """Names of classes and variables that the code of a module uses."""
    nodes = list(ast.walk(tree))
    return (
        {node.id for node in nodes if isinstance(node, ast.Name)}
        | {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        | {node.name for node in nodes if isinstance(node, ast.alias | ast.ClassDef)}
    )


def functions(tree: ast.AST) -> Iterator[ast.AST]:
    """Every function and method."""
    kinds = ast.FunctionDef, ast.AsyncFunctionDef
    return (node for node in ast.walk(tree) if isinstance(node, kinds))


def code_lines(node: ast.AST) -> set[int]:
    """Lines with code on them: neither blank nor comment nor docstring."""
    docstrings = {
        line
        for owner in ast.walk(node)
        if isinstance(owner, ast.Module | ast.ClassDef | ast.FunctionDef)
        for child in owner.body
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
        if isinstance(child.value.value, str)
        for line in range(child.lineno, (child.end_lineno or child.lineno) + 1)
    }
    lines = {
        line
        for child in ast.walk(node)
        if isinstance(child, ast.expr | ast.stmt | ast.arg | ast.alias | ast.keyword)
        for line in (child.lineno, child.end_lineno or child.lineno)
    }
    return lines - docstrings


def imports(tree: ast.AST, package: Path) -> Iterator[Path]:
    """Files of the package that a module imports, wherever the import is written."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            path = package.parent.joinpath(*name.split("."))
            if name.startswith(f"{package.name}."):
                yield from (
                    file
                    for file in (path / "__init__.py", path.with_suffix(".py"))
                    if file.exists()
                )


def room_of(file: Path, package: Path) -> str:
    """The package below the top, or the module at the top, that a file belongs to."""
    return file.relative_to(package).parts[0].removesuffix(".py")


def closure(edges: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Who reaches whom along the edges."""
    reached = set(edges)
    while True:
        more = {(a, d) for a, b in reached for c, d in edges if b == c} - reached
        if not more:
            return reached
        reached |= more


def n_comments(file: Path) -> int:
    """Lines with a comment, switches of tools apart."""
    tokens = tokenize.generate_tokens(io.StringIO(file.read_text()).readline)
    switches = "# noqa", "# type:", "# fmt:"
    return sum(
        token.type == tokenize.COMMENT and not token.string.startswith(switches) for token in tokens
    )


def extract(revision: str, folder: Path) -> None:
    """Write the package and its configs as they were at a revision into a folder."""
    command = ["git", "-C", str(ROOT), "archive", revision, "tsclr", "configs"]
    archive = subprocess.run(command, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")


def page(revisions: list[str]) -> str:
    """The table of `RESULTS`/structure.md."""
    measured: dict[str, Figures] = {}
    for revision in revisions:
        with tempfile.TemporaryDirectory() as folder:
            extract(revision, Path(folder))
            measured[revision] = figures(Path(folder))
    measured["now"] = figures(ROOT)
    rows = [[name, *(each[name] for each in measured.values())] for name in measured["now"]]
    title = "# The shape of the package\n\nWritten by `python -m benchmarks.structure`.\n"
    return f"{title}\n{markdown(['', *measured], rows)}\n"


if __name__ == "__main__":
    text = page(sys.argv[1:] or [BEFORE])
    (RESULTS / "structure.md").write_text(text)
    sys.stdout.write(text)
