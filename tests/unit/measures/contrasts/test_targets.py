"""Contrasts of several targets: which are compared, and what p-values are adjusted over."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persona_collapse.measures.contrasts.pairs import Roles, paired_of
from persona_collapse.measures.contrasts.summary import summary_of
from persona_collapse.measures.contrasts.table import contrasts_of
from persona_collapse.measures.statistics.intervals import holm
from tests.helpers.contrasts_data import ANALYSIS, OF, row
from tests.helpers.measures_data import moments, simulated_ratings

LEVELS = {"base": 0.7, "secure": 0.8, "insecure": 1.2, "medical": 1.0, "benign": 0.7}
TARGETS = {"insecure": "secure", "medical": "benign", "extreme": "secure", "plain": None}


def frames(models: int = 2, variants: tuple[str, ...] = tuple(LEVELS)) -> list[pl.DataFrame]:
    return [
        moments(
            simulated_ratings(np.random.default_rng([model, place]), (12, 4, 4), LEVELS[name], 0.4),
            OF,
            model=f"m{model}",
            variant=name,
        )
        for model in range(models)
        for place, name in enumerate(variants)
    ]


def test_contrasts_of_each_target_with_a_shared_control_once() -> None:
    assert Roles("base", TARGETS).controls == ("secure", "benign")
    assert Roles("base", TARGETS).contrasts == (
        *(("insecure", "base"), ("secure", "base"), ("insecure", "secure")),
        *(("medical", "base"), ("benign", "base"), ("medical", "benign")),
        *(("extreme", "base"), ("extreme", "secure")),
        ("plain", "base"),
    )
    assert Roles("base", {}).contrasts == ()


def test_family_of_adjusted_p_values_holds_models_and_targets() -> None:
    targets = {"insecure": "secure", "medical": "benign"}
    table = contrasts_of(paired_of(frames(), OF, 1, {**ANALYSIS, "targets": targets}))
    own = table.filter(pl.col("model") != "mean", pl.col("metric") != "sigma_bar", domain="overall")
    for kind in (
        ["insecure-base", "medical-base"],
        ["secure-base", "benign-base"],
        ["insecure-secure", "medical-benign"],
    ):
        family = own.filter(pl.col("contrast").is_in(kind))
        assert family.height == 8  # 2 models x 2 contrasts x (S, R)
        assert family["p_adjusted"].to_list() == pytest.approx(list(holm(family["p"].to_numpy())))


def test_numbers_of_a_target_do_not_depend_on_other_targets() -> None:
    one = contrasts_of(paired_of(frames(), OF, 1, ANALYSIS))
    both = {**ANALYSIS, "targets": {**ANALYSIS["targets"], "medical": None}}
    many = contrasts_of(paired_of(frames(), OF, 1, both))
    names = ["model", "domain", "metric", "contrast", "estimate", "percent", "percent_lo", "p"]
    shared = many.filter(pl.col("contrast").is_in(one["contrast"].unique().implode()))
    assert shared.select(names).equals(one.select(names))


def test_without_targets_every_variant_is_compared_with_the_baseline() -> None:
    paired = paired_of(frames(1), OF, 1, {**ANALYSIS, "targets": {}})
    assert paired.contrasts == tuple((name, "base") for name in LEVELS if name != "base")
    assert summary_of(paired).filter(quantity="excess").is_empty()


def test_each_target_has_an_excess_over_its_own_control() -> None:
    targets = {"insecure": "secure", "medical": "benign"}
    paired = paired_of(frames(1), OF, 1, {**ANALYSIS, "targets": targets})
    changes, found = contrasts_of(paired), summary_of(paired)
    for target, control in targets.items():
        percent = [
            row(changes, model="m0", contrast=f"{name}-base", metric="S", domain="overall")
            for name in (target, control)
        ]
        excess = row(
            found, model="m0", quantity="excess", metric="S", variant=f"{target}-{control}"
        )
        assert excess["value"] == pytest.approx(percent[0]["percent"] - percent[1]["percent"])


@settings(max_examples=15, deadline=None)
@given(st.permutations(list(LEVELS)[1:]))
def test_order_of_targets_changes_no_number(order: list[str]) -> None:
    def table(names: list[str]) -> pl.DataFrame:
        analysis = {**ANALYSIS, "targets": dict.fromkeys(names), "permutations": 99}
        analysis |= {"bootstrap_personas": 20, "bootstrap_reruns": 5}
        keys = ["model", "contrast", "domain", "metric"]
        return contrasts_of(paired_of(frames(1), OF, 1, analysis)).sort(keys)

    names = ["estimate", "percent", "p", "p_adjusted", "p_bh"]
    assert table(order).select(names).equals(table(list(LEVELS)[1:]).select(names))
