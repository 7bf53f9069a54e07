"""The long table: labels, what each kind of probe gets, lost items, and the published answers."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from persona_collapse.common.errors import UserError
from persona_collapse.measures.diagnostics.table import diagnostics_of, printed_profiles, toxic_rows
from persona_collapse.measures.moments import moments_of
from tests.helpers.made_cells import value
from tests.helpers.measures_data import (
    PUBLISHED,
    instrument,
    moments,
    published_instrument,
    recorded_answers,
    simulated_ratings,
)

COLUMNS = ["model", "variant", "probe", "domain", "measure", "value", "lo", "hi", "simulated"]
OF = instrument(("care", "duty") * 3)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def test_probe_with_personas_has_all_diagnostics_but_saturation(rng):
    base, other = (
        moments(simulated_ratings(rng, (12, 6, 6)), OF, variant=v) for v in ("base", "insecure")
    )
    found = diagnostics_of(other, OF, 1, 50, base)
    assert found.columns == COLUMNS
    assert found.select("model", "variant", "probe", "simulated").unique().height == 1
    assert found["variant"][0] == "insecure"
    measures = set(found["measure"])
    assert {"fidelity", "alpha", "identified", "kl_to_base_bits", "share_persona"} <= measures
    assert "saturation" not in measures
    assert found.select("domain", "measure").is_duplicated().sum() == 0
    alone = diagnostics_of(base, OF, 1, 50)
    assert {"fidelity", "kl_to_base_bits", "identified_in_base"}.isdisjoint(alone["measure"])


def test_unconditioned_probe_has_saturation(rng):
    ratings = simulated_ratings(rng, (1, 6, 6))[0]
    frame = moments(ratings, OF, probe="unconditioned", served="simulated")
    found = diagnostics_of(frame, OF, 1, 50)
    assert found.columns == COLUMNS
    assert {"saturation", "endpoint_mass"} <= set(found["measure"])
    assert found["simulated"].all()
    assert "alpha" not in set(found["measure"])


def test_unanswered_item_is_left_out_of_all_compared_profiles(rng):
    ratings = simulated_ratings(rng, (1, 6, 6))[0]
    whole = moments(ratings, OF, probe="unconditioned")
    lost = ratings.copy()
    lost[0] = np.nan
    partial = moments(lost, OF, probe="unconditioned", variant="insecure")
    found = toxic_rows(partial, whole, None, OF, 1, 50)
    assert found.columns == [*COLUMNS[:4], "reference", "value", "lo", "hi", "nearest", "simulated"]
    # The five items left were answered alike.
    assert found.filter(pl.col("reference") == "base")["value"].item() == 0
    assert value(diagnostics_of(partial, OF, 1, 50, whole), "kl_to_base_bits") == 0


def test_no_personas_left_gives_no_rows(rng):
    empty = moments(np.full((6, 4), np.nan), OF, probe="unconditioned")
    assert diagnostics_of(empty, OF, 1, 50).columns == COLUMNS
    assert diagnostics_of(empty, OF, 1, 50).height == 0
    assert toxic_rows(empty, empty, None, OF, 1, 50).height == 0
    role = moments(np.full((3, 6, 4), np.nan), OF)
    assert diagnostics_of(role, OF, 1, 50, role).height == 0


@pytest.mark.parametrize("variant", ["a", "insecure"])
def test_toxic_personas_are_compared(variant):
    own = moments(np.full((6, 4), 5.0), OF, probe="unconditioned", variant=variant)
    base = moments(np.full((6, 4), 2.0), OF, probe="unconditioned")
    toxic = moments(np.full((2, 6, 4), 4.0), OF, probe="toxic")
    found = toxic_rows(own, base, toxic, OF, 1, 50)
    table = dict(found.select("reference", "value").iter_rows())
    root = 2**0.5
    assert table == pytest.approx(
        {"base": 3 * root, "toxic 0": root, "toxic 1": root, "ceiling": 0}
    )
    assert toxic_rows(base, base, toxic, OF, 1, 50)["reference"][0] == "toxic 0"


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published answers are not here")
def test_published_answers_fill_the_table():
    of = published_instrument()
    frames = {
        variant: moments_of(recorded_answers("GPT-4o", variant), of, 100)
        for variant in ("base", "insecure")
    }
    found = diagnostics_of(frames["insecure"], of, 1, 100, frames["base"])
    overall = found.filter(pl.col("domain") == "overall", pl.col("value").is_null())
    assert overall.height == 0
    assert value(found, "fidelity") == pytest.approx(0.440, abs=0.001)
    assert value(found, "amplitude") == pytest.approx(2.126, abs=0.001)
    assert value(found, "identical_cells") == pytest.approx(1917 / 3000)
    assert value(found, "S_max") > 1.679572514606541  # the published S


def test_printed_profiles_of_another_table_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "printed.csv"
    path.write_text("model,persona,Care\nM,1,2.5\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"'toxic_persona' is missing \(did you mean 'persona'"):
        printed_profiles(path, "M", OF)
