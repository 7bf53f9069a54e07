"""The examples of docs/extending.md apply to a copy of the project, run, and touch few files.

The page says where every block of code goes: a new file, the end of a file, or after a line
of a file. Blocks of YAML under "In a study" are merged into the study ``quick``.
"""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from tests.conftest import ROOT
from tests.workflow.conftest import Project, copy_project, made_once

PAGE = ROOT / "docs" / "extending.md"
PRODUCTION = ("Snakefile", "persona_collapse/", "workflow/", "resources/")
MOST = 2  # production files of one addition
EDIT = re.compile(
    r"^\*\*(?:(?P<new>New file)|(?P<end>Append to)|In)\*\* `(?P<path>[^`]+)`"
    r"(?:, \*\*after\*\* `(?P<line>[^`]+)`)?:\n\n```\w+\n(?P<code>.*?)^```$",
    re.M | re.S,
)
STUDY = re.compile(r"^\*\*In a study:\*\*\n\n```yaml\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Edit:
    """One block of code: a new file, or an insertion after a line, or at the end without one."""

    path: str
    code: str
    new: bool
    line: str | None

    def apply(self, root: Path) -> None:
        path = root / self.path
        if self.new:
            assert not path.exists(), f"{self.path} exists already"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.code, encoding="utf-8")
            return
        text = path.read_text(encoding="utf-8")
        if self.line is None:
            path.write_text(text + self.code, encoding="utf-8")
            return
        place = f"\n{self.line}\n"
        assert text.count(place) == 1, f"{self.path} has not exactly one line {self.line!r}"
        path.write_text(text.replace(place, place + self.code), encoding="utf-8")


@dataclass(frozen=True)
class Addition:
    """One section of the page: its edits and the study keys that use what it adds."""

    title: str
    edits: tuple[Edit, ...]
    study: dict[str, Any]

    @property
    def production_files(self) -> list[str]:
        paths = dict.fromkeys(edit.path for edit in self.edits)
        return [path for path in paths if path.startswith(PRODUCTION)]


def additions() -> dict[str, Addition]:
    """Return the page's sections that hold examples, by their headings."""
    found = {}
    for section in re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.M)[1:]:
        title, _, text = section.partition("\n")
        edits = tuple(
            Edit(match["path"], match["code"], bool(match["new"]), match["line"])
            for match in EDIT.finditer(text)
        )
        study: dict[str, Any] = {}
        for block in STUDY.findall(text):
            merge(study, yaml.safe_load(block))
        # Every block of code says where it goes.
        assert len(edits) + len(STUDY.findall(text)) == text.count("\n```\n"), title
        if edits:
            found[title] = Addition(title, edits, study)
    return found


def merge(document: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add the keys of a mapping to another, at any depth."""
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(document.get(key), dict):
            merge(document[key], value)
        else:
            document[key] = value


ADDITIONS = additions()


def install(package: Path, target: Path) -> None:
    """Put a package's module and entry points where Python finds them, as pip would."""
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for module in package.glob("*.py"):
        shutil.copy(module, target)
    info = target / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    groups = configparser.ConfigParser(delimiters="=")
    groups.read_dict(project["entry-points"])
    with (info / "entry_points.txt").open("w") as file:
        groups.write(file)


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Return a copy of the project with all examples applied and the study ``quick`` run."""
    project = made_once(tmp_path_factory, "extended", extend_and_run)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(project.root / "packages"))
        yield project


def extend_and_run(root: Path) -> None:
    project = copy_project(root)
    shutil.copytree(ROOT / "tests" / "helpers", root / "tests" / "helpers")
    for name in ("tests/__init__.py", "tests/conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, root / name)
    (root / "docs").mkdir()
    packages = root / "packages"
    packages.mkdir()
    study = root / "config" / "studies" / "quick.yaml"
    document = yaml.safe_load(study.read_text(encoding="utf-8"))
    for addition in ADDITIONS.values():
        for edit in addition.edits:
            edit.apply(root)
        merge(document, addition.study)
    study.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    for package in root.glob("*/pyproject.toml"):
        install(package.parent, packages)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(packages))
        for module in ("tests.helpers.reference", "persona_collapse.tables.document"):
            command = [sys.executable, "-m", module]
            done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        project.run("--config", "study=quick")


@pytest.fixture(scope="module")
def page(extended: Project) -> str:
    return (extended.root / "results/quick/report/index.html").read_text(encoding="utf-8")


def answers(project: Project, variant: str, probe: str) -> pl.DataFrame:
    path = project.root / "results/quick/answers/gpt-4o" / variant / f"{probe}.parquet"
    return pl.read_parquet(path)


def test_page_has_an_example_of_every_kind_of_addition() -> None:
    assert list(ADDITIONS) == [
        "A figure",
        "A table",
        "An endpoint kind",
        "An endpoint kind in a package of your own",
        "A study key",
        "An instrument",
    ]


@pytest.mark.parametrize("title", ADDITIONS)
def test_addition_touches_at_most_two_production_files(title: str) -> None:
    files = ADDITIONS[title].production_files
    print(f"{title}: {len(files)} production files: {', '.join(files) or '-'}")
    assert len(files) <= MOST


def test_examples_are_formatted_and_linted(extended: Project) -> None:
    edits = [edit for addition in ADDITIONS.values() for edit in addition.edits]
    files = sorted({edit.path for edit in edits if edit.path.endswith(".py")})
    for command in (["check"], ["format", "--check", "--diff"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", *files],
            cwd=extended.root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_figure_is_drawn_and_shown_on_the_page(extended: Project, page: str) -> None:
    for ending in ("svg", "pdf", "png"):
        assert (extended.root / f"results/quick/figures/scale_entropy.{ending}").is_file()
    assert "Under insecure, ratings are " in page  # its finding
    assert "Bars of the entropy of ratings of every model and variant" in page


def test_table_has_the_declared_columns_and_is_shown_and_documented(
    extended: Project, page: str
) -> None:
    table = pl.read_csv(extended.root / "results/quick/tables/medians.csv")
    names = ["model", "variant", "probe", "median", "constant_share", "n_cells", "simulated"]
    assert table.columns == [*names, "mixed_backends"]
    units = list((extended.root / "results/quick/moments").glob("*/*/*.parquet"))
    assert table.height == len(units)
    assert table.filter(pl.col("variant") == "three")["median"].unique().to_list() == [3.0]
    assert "Median rating and constant cells" in page
    assert "Median over cells of the mean rating, in scale points." in page
    documented = (extended.root / "docs/tables.md").read_text(encoding="utf-8")
    assert "\n## medians.csv\n" in documented
    assert "| `n_cells` | integer | Cells with a valid rating. |" in documented


def test_endpoint_answers_and_its_keys_are_documented(extended: Project) -> None:
    given = answers(extended, "three", "roleplay")
    assert given.height == 40 * 30 * 5
    assert set(given["rating"]) == {3}
    text = (extended.root / "config/README.md").read_text(encoding="utf-8")
    assert "| `rating` | integer >= 0 | required | the rating that it gives to every" in text
    assert '"fixed variant"' in (extended.root / "config/study.schema.json").read_text()


def test_endpoint_of_another_package_answers(extended: Project) -> None:
    ratings = answers(extended, "null-model", "unconditioned")["rating"]
    assert set(ratings) == {0, 5}


def test_study_key_changes_the_methods_paragraph_and_is_documented(
    extended: Project, page: str
) -> None:
    assert "The study was preregistered: https://osf.io/example." in page
    text = (extended.root / "config/README.md").read_text(encoding="utf-8")
    assert "| `registered` | text | none | where the study was preregistered" in text


def test_instrument_is_answered_on_its_own_scale(extended: Project) -> None:
    given = answers(extended, "trusting", "trust")
    assert given.height == 10 * 4 * 2
    assert set(given["item_id"]) == {1, 2, 3, 4}
    assert given["rating"].is_between(1, 7).all()


MISTAKES = {
    "an endpoint without a required method": (
        "persona_collapse/endpoints/simulated.py",
        "    def answer(",
        "    def answers(",
    ),
    "a figure of a table that does not exist": (
        "persona_collapse/figures/catalogue.py",
        'tables=("metrics", "contrasts", "influence"),',
        'tables=("metric", "contrasts", "influence"),',
    ),
    "a contract that names a missing function": (
        "persona_collapse/tables/contracts/profiles.py",
        '"profiles.profiles_of"',
        '"profiles.profile_of"',
    ),
    "a contract that declares a column twice": (
        "persona_collapse/tables/contracts/profiles.py",
        "        integer(",
        '        number("mean", "Once more."),\n        integer(',
    ),
    "a study key declared twice": (
        "persona_collapse/study/model.py",
        "    control: Text | None = key(",
        '    control: str = key("once more", "secure")\n    control: Text | None = key(',
    ),
}


def test_page_lists_the_message_of_each_mistake() -> None:
    assert list(messages()) == list(MISTAKES)


def messages() -> dict[str, str]:
    """Return the page's table of mistakes: the message of each."""
    _, _, text = PAGE.read_text(encoding="utf-8").partition("\n## Mistakes\n")
    return dict(re.findall(r"^\| (.+?) \| `(.+)` \|$", text, re.M))


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_stops_planning_with_the_documented_message(project: Project, mistake: str) -> None:
    name, right, wrong = MISTAKES[mistake]
    path = project.root / name
    text = path.read_text(encoding="utf-8")
    assert right in text
    path.write_text(text.replace(right, wrong, 1), encoding="utf-8")
    try:
        done = project.snakemake("-n", "--config", "study=quick")
    finally:
        path.write_text(text, encoding="utf-8")
    assert done.returncode != 0
    assert messages()[mistake] in done.stdout + done.stderr
