"""A digest of the code that a script depends on: editing a module reruns the rules that import it.

Snakemake tracks a script's own file but not what it imports. A digest of the modules that a script
imports, directly or not, is one of the rule's params. It is found from the import statements:
touching a file changes nothing, and editing one reruns exactly the rules that import it.
"""

import ast
import hashlib
import os
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "persona_collapse"
# Where a node of a syntax tree holds statements, or the parts that hold them.
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every statement, however deep; expressions, which are most of a tree, hold none."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for part in BLOCKS:
            waiting += getattr(node, part, ())


@cache
def imported(path: Path) -> frozenset[Path]:
    """Return the package's files that one file imports, also inside its functions."""
    names: set[str] = set()
    for node in _statements(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    files: set[Path] = set()
    for name in names:
        parts = name.split(".")
        if parts[0] == PACKAGE:
            place = ROOT.joinpath(*parts)
            packages = [
                ROOT.joinpath(*parts[:depth]) / "__init__.py" for depth in range(1, len(parts) + 1)
            ]
            files |= {file for file in (*packages, place.with_suffix(".py")) if file.is_file()}
    return frozenset(files)


def modules_behind(*starts: Path) -> list[Path]:
    """Return every file of the package that the given files import, directly or not, sorted."""
    found: set[Path] = set()
    waiting = list(starts)
    while waiting:
        for file in imported(waiting.pop()):
            if file not in found:
                found.add(file)
                waiting.append(file)
    return sorted(found)


@cache
def code_digest(*starts: str) -> str:
    """Digest the modules behind files given relative to the project's root, the files included.

    A file of ``workflow/scripts`` counts by its imports alone: Snakemake tracks the file itself.
    """
    paths = [ROOT / start for start in starts]
    own = [path for path in paths if path.parent.name != "scripts"]
    digest = hashlib.sha256()
    for path in sorted({*modules_behind(*paths), *own}):
        # A module of another package goes by its file's name.
        name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
        digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def code_of(script: str, *tables: str, modules: Sequence[str] = ()) -> str:
    """Return the digest of the modules that a script imports, directly or not.

    Modules that it imports by a computed name are given here: the contracts of ``tables``, and
    ``modules`` of endpoints, also of other packages, or of families of figures.
    """
    named = [f"{PACKAGE}/tables/contracts/{table}.py" for table in tables]
    named += [str(source_of(module)) for module in modules]
    return code_digest(f"workflow/scripts/{script}.py", *named)


def source_of(module: str) -> Path:
    """Return the file of a module."""
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin)


def let_scripts_import() -> None:
    """Let the processes that this one starts import the package from the checkout."""
    known = os.environ.get("PYTHONPATH", "")
    if str(ROOT) not in known.split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), known]))
    # A job uses one thread, and Snakemake decides how many jobs run at once. Polars would start one
    # thread per core in every job, which costs more than it gains and makes sums depend on the
    # machine.
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
