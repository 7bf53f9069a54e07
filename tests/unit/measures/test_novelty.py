import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persona_collapse.measures.moments import moments_of
from persona_collapse.measures.novelty import novelty_of
from persona_collapse.measures.verdict.sentences import novelty_sentences
from tests.helpers.made_cells import exact, moments, normal
from tests.helpers.measures_data import (
    RECORDED,
    instrument,
    published_instrument,
    recorded_answers,
)

ITEMS = 12
TINY = instrument(["care"] * ITEMS)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def novelty(base, other, seed=1, draws=50):
    frames = [moments(cells, name) for cells, name in ((base, "base"), (other, "tuned"))]
    return novelty_of(frames[1], TINY, frames[0], seed, draws).filter(domain="overall")


def asked(truth, rng, noise=0.5, n=5):
    return normal(truth, noise, n, rng)


def test_planted_parts_are_recovered_without_the_noise(rng):
    own = rng.normal(size=(400, ITEMS))
    other = 0.8 * own + 1.5 * rng.normal(size=own.shape)
    row = novelty(asked(own, rng, 1.0, 2), asked(other, rng, 2.0, 4)).row(0, named=True)
    assert row["slope"] == pytest.approx(0.8, abs=0.05)
    assert row["kept"] == pytest.approx(0.64, abs=0.08)
    assert row["new"] == pytest.approx(2.25, rel=0.06)


def test_noise_alone_is_not_new_on_average(rng):
    own = rng.normal(size=(60, ITEMS))
    new = [novelty(asked(own, rng, n=3), asked(own, rng, n=3), draws=0) for _ in range(200)]
    found = pl.concat(new)
    assert abs(found["new"].mean()) < 3 * found["new"].std() / np.sqrt(200)
    assert found["slope"].mean() == pytest.approx(1, abs=0.01)


@given(seed=st.integers(0, 2**32 - 1), factor=st.floats(0.2, 4), shift=st.floats(-3, 3))
@settings(max_examples=30)
def test_scaling_or_shifting_all_personas_changes_kept_alone(seed, factor, shift):
    rng = np.random.default_rng(seed)
    base, other = (asked(rng.normal(size=(20, ITEMS)), rng, noise=0.0) for _ in range(2))
    moved = normal(factor * base.mean + shift, 0, 5, rng)
    row = novelty(base, moved, draws=0).row(0, named=True)
    assert row["slope"] == pytest.approx(factor)
    assert row["kept"] == pytest.approx(factor**2)
    assert row["new"] == pytest.approx(0, abs=1e-9 * factor**2)
    # The same holds of independent variance on top of it: only new grows with its square.
    c = base.mean - base.mean.mean(axis=0)
    apart = other.mean - other.mean.mean(axis=0)
    apart -= c * (c * apart).sum() / (c * c).sum()
    shares = [
        novelty(base, normal(base.mean + size * apart, 0, 5, rng), draws=0).row(0, named=True)
        for size in (1.0, factor)
    ]
    assert [row["kept"] for row in shares] == pytest.approx([1, 1])
    assert shares[1]["new"] == pytest.approx(shares[0]["new"] * factor**2)


def test_intervals_cover_the_truth_and_are_paired(rng):
    covered = 0
    for seed in range(100):
        own = rng.normal(size=(60, ITEMS))
        other = own + rng.normal(size=own.shape)
        row = novelty(asked(own, rng), asked(other, rng), seed, 200).row(0, named=True)
        covered += row["new_lo"] <= 1 <= row["new_hi"]
    assert covered >= 88
    own = normal(rng.normal(size=(60, ITEMS)), 0, 2, rng)
    same = novelty(own, own).row(0, named=True)
    assert [same[f"kept{end}"] for end in ("", "_lo", "_hi")] == pytest.approx([1, 1, 1])


def test_order_of_personas_and_dropped_ones_do_not_matter(rng):
    own = rng.normal(size=(30, ITEMS))
    base, other = asked(own, rng), asked(own + rng.normal(size=own.shape), rng)
    kept = np.arange(3, 30)
    before = novelty(base.personas(kept), other.personas(kept))
    frame = moments(other, "tuned").with_columns(
        n=pl.when(pl.col("persona_id") < 3).then(0).otherwise("n").cast(pl.Int32)
    )
    after = novelty_of(frame.sample(fraction=1, shuffle=True), TINY, moments(base), 1, 50)
    after = after.filter(domain="overall")
    names = ["slope", "kept", "new", "n_personas"]
    assert after.select(names).row(0) == pytest.approx(before.select(names).row(0))


def test_baseline_unconditioned_and_few_personas_have_no_row(rng):
    cells = asked(rng.normal(size=(5, ITEMS)), rng)
    frame = moments(cells)
    alone = moments(cells.personas(np.array([0])), probe="unconditioned")
    few = moments(cells.personas(np.array([0, 1])), "tuned")
    for given_, base in ((frame, None), (alone, alone), (few, frame)):
        assert novelty_of(given_, TINY, base, 1, 10).is_empty()


def test_equal_personas_of_the_baseline_give_null(rng):
    flat = exact(np.tile([0.2, 0.2, 0.2, 0.2, 0.1, 0.1], (6, ITEMS, 1)))
    row = novelty(flat, asked(rng.normal(size=(6, ITEMS)), rng)).row(0, named=True)
    assert row["new"] is None
    assert row["slope_lo"] is None


@pytest.mark.parametrize(
    ("model", "variant", "new"),
    [
        ("GPT-4o", "secure", 0.45),
        ("GPT-4o", "insecure", 3.48),
        ("GPT-4.1", "secure", 0.49),
        ("GPT-4.1", "insecure", 1.21),
    ],
)
def test_released_answers_give_the_known_new_variance(published, model, variant, new):
    of = published_instrument()
    frames = [moments_of(recorded_answers(model, name), of, 100) for name in (variant, "base")]
    row = novelty_of(frames[0], of, frames[1], 1, 200).filter(domain="overall").row(0, named=True)
    assert (model, variant) in RECORDED
    assert row["new"] == pytest.approx(new, rel=0.02)
    assert row["new_lo"] < row["new"] < row["new_hi"]


def test_sentence_gives_kept_and_new_variance_of_target_and_control(rng):
    own = rng.normal(size=(80, ITEMS))
    table = pl.concat(
        [
            novelty(asked(own, rng), asked(0.5 * own, rng)).with_columns(variant=pl.lit("good")),
            novelty(asked(own, rng), asked(2 * own, rng)).with_columns(variant=pl.lit("bad")),
        ]
    )
    row = {"baseline": "base", "target": "bad", "control": "good"}
    (sentence,) = novelty_sentences(row, table)
    kept = [100 * table.filter(variant=name)["kept"].item() for name in ("bad", "good")]
    assert f"under bad {kept[0]:.0f} % [" in sentence
    assert f"under good {kept[1]:.0f} % [" in sentence
    assert "-0" not in sentence
    assert sentence.index("bad") < sentence.index("good")
    assert novelty_sentences({**row, "control": None, "target": "other"}, table) == []
    assert novelty_sentences(row, None) == []
