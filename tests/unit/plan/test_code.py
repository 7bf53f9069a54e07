"""The digest of a script's code follows what the script really imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from persona_collapse.plan.code import ROOT, code_digest, imported, modules_behind

SCRIPTS = sorted((ROOT / "workflow" / "scripts").glob("*.py"))
LIST_MODULES = """
import runpy, sys
runpy.run_path(sys.argv[1], run_name="imported")
print(*(m.__file__ for n, m in sys.modules.items() if n.startswith("persona_collapse")), sep="\\n")
"""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_every_module_that_a_script_loads_is_in_its_digest(script: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIST_MODULES, str(script)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        check=True,
    )
    loaded = {Path(line) for line in done.stdout.split()}
    assert loaded <= set(modules_behind(script))


def test_imports_are_found_in_nested_statements(tmp_path: Path) -> None:
    source = tmp_path / "nested.py"
    source.write_text(
        "from __future__ import annotations\n"
        "def outer():\n"
        "    try:\n"
        "        with open('x'):\n"
        "            for _ in ():\n"
        "                pass\n"
        "            else:\n"
        "                import persona_collapse.common.seeds\n"
        "    except OSError:\n"
        "        import persona_collapse.plan.shards\n"
        "    finally:\n"
        "        match 1:\n"
        "            case 1:\n"
        "                from persona_collapse.asking import ratings\n"
    )
    names = {path.name for path in imported(source)}
    assert names == {"__init__.py", "seeds.py", "shards.py", "ratings.py"}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_and_their_modules_do_not_import_snakemake(script: Path) -> None:
    for path in [script, *modules_behind(script)]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            module = node.module if isinstance(node, ast.ImportFrom) else None
            assert not any(name.split(".")[0] == "snakemake" for name in [*names, module or ""])


def test_code_of_a_shard_includes_only_its_own_endpoint() -> None:
    script = "workflow/scripts/answer_shard.py"
    simulated = code_digest(script, "persona_collapse/endpoints/simulated.py")
    recorded = code_digest(script, "persona_collapse/endpoints/recorded.py")
    assert simulated != recorded
    behind = modules_behind(ROOT / script)
    assert not [path for path in behind if path.stem in ("simulated", "recorded", "openai")]


def test_digest_changes_with_the_content_of_imported_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import persona_collapse.plan.code as imports

    package = tmp_path / "persona_collapse"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "deep.py").write_text("DEPTH = 1\n")
    (package / "near.py").write_text(
        "def f():\n    from persona_collapse import deep\n    return deep\n"
    )
    (tmp_path / "script.py").write_text("import beside, persona_collapse.near\n")
    (tmp_path / "beside.py").write_text("")  # no part of the package
    monkeypatch.setattr(imports, "ROOT", tmp_path)

    def digest(script: str = "script.py") -> str:
        imports.imported.cache_clear()
        imports.code_digest.cache_clear()
        return imports.code_digest(script)

    before = digest()
    (package / "deep.py").touch()
    (tmp_path / "beside.py").write_text("EDITED = 1\n")
    assert digest() == before
    (package / "other.py").write_text("OTHER = 1\n")
    assert digest() == before
    (package / "deep.py").write_text("DEPTH = 2\n")
    changed = digest()
    assert changed != before
    (package / "__init__.py").write_text("EDITED = 1\n")
    assert digest() != changed
    # The file itself counts, but for one of workflow/scripts, which Snakemake tracks.
    changed = digest()
    (tmp_path / "script.py").write_text("import persona_collapse.near  # again\n")
    assert digest() != changed
    own = tmp_path / "workflow" / "scripts" / "own.py"
    own.parent.mkdir(parents=True)
    own.write_text("import persona_collapse.near\n")
    before = digest("workflow/scripts/own.py")
    own.write_text("import persona_collapse.near  # again\n")
    assert digest("workflow/scripts/own.py") == before
    imports.imported.cache_clear()
    imports.code_digest.cache_clear()
