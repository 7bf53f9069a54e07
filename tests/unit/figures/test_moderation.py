"""The figure of moderation draws a point per model, and the slopes of the table."""

from __future__ import annotations

import pytest

from persona_collapse.figures.moderation import moderation
from tests.helpers.figures_data import (
    axes_of,
    contrasts_of,
    faults_of,
    look_of,
    metrics_of,
    whiskers_of,
    words_of,
)
from tests.helpers.figures_tables import moderation_of


def test_every_model_is_a_point_with_both_intervals() -> None:
    metrics = metrics_of(6, 3)
    contrasts = contrasts_of(metrics)
    figure = moderation(moderation_of(3), metrics, contrasts, look_of(6, 3))
    assert faults_of(figure) == []
    changes = contrasts.filter(domain="overall", contrast="insecure-base")
    bases = metrics.filter(domain="overall", variant="base")
    for first, second in (("R", "R"), ("S", "S"), ("R", "S")):
        axes = axes_of(figure, f"{first} {second}")
        assert len(axes.containers) == 6
        for base in bases.rows(named=True):
            name = f"{base['model']} insecure {first} {second}"
            change = changes.filter(model=base["model"], metric=second).row(0, named=True)
            (container,) = (c for c in axes.containers if c.get_label() == name)
            x, y = container.lines[0].get_data()
            assert (x[0], y[0]) == pytest.approx((base[first], change["percent"]))
            assert len(whiskers_of(axes, name)) == 2


def test_slopes_stand_above_their_panels() -> None:
    metrics = metrics_of(6, 3)
    words = words_of(moderation(moderation_of(3), metrics, contrasts_of(metrics), look_of(6, 3)))
    assert words.count("insecure: slope −0.40 [−0.90, 0.10]") == 2
    assert "insecure: slope n/a" in words


def test_study_without_a_target_has_a_figure_that_says_so() -> None:
    metrics = metrics_of(6, 1)
    figure = moderation(moderation_of(1), metrics, contrasts_of(metrics), look_of(6, 1))
    assert "No change to explain: the study has no target." in " ".join(words_of(figure)).replace(
        "\n", " "
    )
