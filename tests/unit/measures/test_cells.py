"""Cells: the dense layout of moments."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from persona_collapse.measures.cells import cells_from_moments
from tests.helpers.measures_data import instrument, moments

NAN = float("nan")
RATINGS = np.array([[[1, 3], [0, 0]], [[NAN, NAN], [5, 5]], [[2, NAN], [4, 5]]])


def test_persona_with_an_empty_cell_is_dropped_and_listed() -> None:
    cells = cells_from_moments(moments(RATINGS, instrument()), instrument())
    assert cells.persona_ids.tolist() == [0, 2]
    assert cells.dropped == (1,)
    assert cells.mean.tolist() == [[2, 0], [2, 4.5]]
    assert cells.n.tolist() == [[2, 2], [1, 2]]
    assert cells.counts.shape == (2, 2, 6)
    assert cells.ratings.tolist() == [0, 1, 2, 3, 4, 5]


def test_incomplete_persona_keeps_its_answers_and_has_no_mean_or_sd_elsewhere() -> None:
    cells = cells_from_moments(moments(RATINGS, instrument()), instrument(), incomplete=True)
    assert (cells.persona_ids.tolist(), cells.dropped) == ([0, 1, 2], ())
    assert cells.n.tolist() == [[2, 2], [0, 2], [1, 2]]
    empty = np.array([[False, False], [True, False], [False, False]])
    assert np.array_equal(np.isnan(cells.mean), empty)
    assert np.array_equal(np.isnan(cells.sd), empty)
    assert cells.sd[2, 0] == cells.sd[0, 0] == np.sqrt(2)  # one answer takes the item's mean SD


def test_order_of_rows_does_not_matter() -> None:
    frame = moments(RATINGS, instrument())
    cells, turned = (cells_from_moments(part, instrument()) for part in (frame, frame.reverse()))
    assert np.array_equal(cells.counts, turned.counts)
    assert np.array_equal(cells.sd, turned.sd)


def test_groups_start_with_overall_in_the_instruments_order() -> None:
    questionnaire = replace(instrument(["b", "a", "b"]), domains=("a", "b", "absent"))
    cells = cells_from_moments(moments(np.ones((2, 3, 1)), questionnaire), questionnaire)
    groups = cells.groups()
    assert {name: items.tolist() for name, items in groups.items()} == {
        "overall": [0, 1, 2],
        "a": [1],
        "b": [0, 2],
    }
    assert list(replace(cells, order=()).groups()) == ["overall", "b", "a"]


def test_unconditioned_probe_has_one_row_of_cells() -> None:
    cells = cells_from_moments(moments(np.ones((2, 3)), instrument()), instrument())
    assert cells.mean.shape == (1, 2)
    kept = cells.personas(np.array([], dtype=np.intp))
    assert kept.mean.shape == (0, 2)
