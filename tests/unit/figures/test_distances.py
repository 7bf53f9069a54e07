"""Distances to references draw the toxic table."""

from __future__ import annotations

import polars as pl
import pytest

from persona_collapse.figures.distances import character, toxic_distances
from tests.helpers.figures_data import axes_of, look_of, whiskers_of
from tests.helpers.figures_tables import toxic_of


def toxic_personas() -> pl.DataFrame:
    """What two toxic personas are told to be."""
    descriptions = ["A patient extortionist who collects secrets.", "A demagogue, loud and vain."]
    rows = [
        {"probe": "toxic", "persona_id": place, "description": text}
        for place, text in enumerate(descriptions)
    ]
    return pl.DataFrame(rows)


@pytest.mark.parametrize(
    ("description", "name"),
    [
        ("A charming con artist who empties savings", "charming con artist"),
        ("The self-appointed inquisitor of purity.", "self-appointed inquisitor"),
        ("Despot", "Despot"),
        ("Who knows", "Who knows"),
    ],
)
def test_a_character_is_called_by_the_beginning_of_its_description(
    description: str, name: str
) -> None:
    assert character(description) == name


def test_distances_are_drawn_per_reference_and_the_nearest_is_filled() -> None:
    toxic = toxic_of(2, 3, players=2)
    figure = toxic_distances(toxic, toxic_personas(), look_of(2, 3))
    names = [label.get_text() for label in axes_of(figure, "m0").get_yticklabels()]
    assert [name.replace("\n", " ") for name in names] == [
        "base", "patient extortionist", "demagogue", "ceiling"
    ]  # fmt: skip
    order = ["base", "toxic 0", "toxic 1", "ceiling"]
    for row in toxic.iter_rows(named=True):
        axes = axes_of(figure, row["model"])
        name = f"{row['model']} {row['variant']} {row['reference']}"
        (found,) = (c for c in axes.containers if c.get_label() == name)
        line = found.lines[0]
        assert line.get_xdata()[0] == row["value"]
        assert round(float(line.get_ydata()[0])) == order.index(row["reference"])
        ((low, _, high, _),) = whiskers_of(axes, name)
        assert (low, high) == pytest.approx((row["lo"], row["hi"]))
        alone = (row["model"], row["variant"]) == ("m1", "base")  # the ceiling is all it has
        assert (line.get_markerfacecolor() != "#ffffff") is (row["nearest"] and not alone)
        assert axes.get_xlim()[0] == 0
    texts = [text.get_text() for axes in ("m0", "m1") for text in axes_of(figure, axes).texts]
    assert sorted(texts) == ["base", "insecure", "n/a", "n/a", "secure"]  # each named once
    assert not axes_of(figure, "m0").texts
