"""Changes of one specification: which personas they rest on, and their standard errors."""

import numpy as np
import pytest

from persona_collapse.measures.multiverse.changes import Variants, variants_of
from tests.helpers import contrasts_data as data

CONTRAST = ("insecure", "base")


@pytest.mark.parametrize(("count", "first"), [(6, 3), (7, 4), (8, 4)])
def test_first_half_has_the_persona_in_the_middle(count, first):
    kept = np.arange(count)
    variants = Variants({}, {}, {}, [])
    halves = [variants._chosen(kept, half, [], {}) for half in ("first_half", "second_half")]
    assert [half.tolist() for half in halves] == [list(range(first)), list(range(first, count))]


def test_error_of_a_change_is_close_to_that_of_the_jackknife():
    frames = data.study(["one"], personas=30)
    cells = variants_of([(frame, 6, None) for frame in frames], data.OF, {}, [np.arange(4)])

    def change(kept):
        parts = {name: part.personas(kept) for name, part in cells.cells["dropped"].items()}
        part = Variants({"dropped": parts}, cells.failed, {}, cells.subsets)
        return part.change(CONTRAST, "published", "all", "dropped")

    whole = change(np.arange(30))
    without = np.stack([change(np.delete(np.arange(30), place)).value[:, 0] for place in range(30)])
    error = np.sqrt(29 / 30 * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    assert whole.error[:, 0] == pytest.approx(error, rel=0.1)
    assert whole.personas == 30
