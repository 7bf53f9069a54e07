"""The catalogue refuses entries that break a rule, and names the entry and the rule."""

from __future__ import annotations

import inspect
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest

from persona_collapse.figures.catalogue import FIGURES, checked, rules
from persona_collapse.plan.code import ROOT, modules_behind
from persona_collapse.tables.index import all_tables

MAP = FIGURES["robustness_map"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tables": ("metric",)}, "there is no table 'metric' in tables/contracts"),
        ({"tables": ()}, "it reads no table"),
        ({"function": "plane.robustness_map"}, "there is no module figures/plane.py"),
        ({"section": "results"}, "section 'results' is not one of verdict, "),
        ({"condition": "step"}, "condition 'step' is not one of unconditioned, "),
        ({"extra": ("scales",)}, "extra 'scales' is not one of scale, aims"),
        ({"title": " "}, "it has no title"),
        ({"caption": ""}, "it has no caption"),
        ({"evidence": 8}, "evidence 8 is not from 1 to 7"),
    ],
)
def test_an_entry_that_breaks_a_rule_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"figure 'robustness_map': {message}"):
        checked([replace(MAP, **change)])


def test_an_unknown_function_is_refused() -> None:
    with pytest.raises(ValueError, match=r"figure 'mop': figures/planes\.py has no function 'mop'"):
        checked([replace(MAP, function="planes.mop")])


def test_two_entries_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="'robustness_map': another entry has this name"):
        checked([MAP, MAP])


def test_two_entries_of_one_place_among_the_evidence_are_refused() -> None:
    with pytest.raises(ValueError, match="'saturation_radars': another entry has place 3 among"):
        checked([MAP, replace(FIGURES["saturation_radars"], evidence=MAP.evidence)])


@pytest.mark.parametrize("name", FIGURES)
def test_function_takes_its_tables_the_look_and_its_extras(name: str) -> None:
    figure = FIGURES[name]
    module = import_module(f"persona_collapse.figures.{figure.family}")
    parameters = inspect.signature(getattr(module, name)).parameters.values()
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    named = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    assert len(positional) == len(figure.tables) + 1
    assert positional[-1] == "look"
    assert named == list(figure.extra)


def test_figures_of_other_conditions_have_a_rule_of_their_own() -> None:
    found = rules(list(FIGURES.values()))
    assert [figure.name for figure in found["figures_planes"]] == ["robustness_map"]
    assert [figure.name for figure in found["figures_planes_misalignment"]] == [
        "alignment_coherence"
    ]
    assert len(found["figures_bars"]) == 4


def test_a_figure_and_its_tables_exist_under_one_condition() -> None:
    """A table that a study lacks would stop the job of the whole family's job."""
    tables = all_tables()
    for figure in FIGURES.values():
        needed = {tables[name].condition for name in figure.tables} - {None, "bundled"}
        implied = {
            "toxic": {"unconditioned"},
            "coherence_models": {"coherence_loss"},
            "moderation": {"targets"},
        }
        assert needed <= {figure.condition, *implied.get(str(figure.condition), ())}, figure.name


def test_scripts_and_families_do_not_import_the_catalogue_or_other_families() -> None:
    """Otherwise an edited text, or another family, would draw a figure again."""
    figures = ROOT / "persona_collapse" / "figures"
    modules = {figures / f"{figure.family}.py" for figure in FIGURES.values()}
    for script in (ROOT / "workflow" / "scripts").glob("*.py"):
        assert figures / "catalogue.py" not in modules_behind(script)
    for family in modules:
        assert not (modules - {family}) & set(modules_behind(family)), family.name
