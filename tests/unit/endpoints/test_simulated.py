"""The simulated endpoint: planted values come back, and an answer depends on nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persona_collapse.answers import SCHEMA, write_answers
from persona_collapse.common.errors import UserError
from persona_collapse.endpoints.simulated import Simulated, planted_from_numbers, planted_values
from persona_collapse.materials.instruments import Instrument, Item, Prompts, Scale, read_instrument
from persona_collapse.materials.personas import PersonaSet, read_personas
from persona_collapse.plan.shards import cut
from persona_collapse.tasks import Shard, Task

answer = Simulated().answer

RESOURCES = Path(__file__).resolve().parents[3] / "resources"
TABLES = RESOURCES / "benchmarks" / "paper_tables.csv"
MORAL30 = read_instrument(RESOURCES / "instruments" / "moral30.yaml")
EVERYDAY = read_personas(RESOURCES / "personas" / "everyday100.yaml")
TOXIC = read_personas(RESOURCES / "personas" / "toxic8.yaml")
LABELS = ("DeepSeek-V3.1", "GPT-4.1", "GPT-4o", "Qwen3-235B")
VARIANTS = ("base", "secure", "insecure")
SEED = 20260512
SIX = Scale(0, 5)
PLACE = np.array([MORAL30.domains.index(item.domain) for item in MORAL30.items])


def task(
    instrument: Instrument = MORAL30,
    personas: PersonaSet | None = EVERYDAY,
    repetitions: int = 10,
    model: str = "gpt-4o",
    variant: str = "base",
    probe: str = "roleplay",
    seed: int = SEED,
) -> Task:
    people = None if personas is None else (0, len(personas.descriptions))
    items = (0, len(instrument.items))
    shard = Shard(model, variant, probe, people, items, (1, repetitions + 1), True, "all")
    return Task(shard, instrument, personas, seed)


def respondent(
    label: str = "GPT-4o", variant: str = "base", kind: str = "roleplay", **more: Any
) -> dict[str, Any]:
    planted = planted_values(TABLES, label, variant)
    return {"planted": planted, "kind": kind, "repetitions": 10, **more}


def uniform_plants(instrument: Instrument, S: float, R: float, n: int) -> dict[str, Any]:
    planted = planted_from_numbers(S, R, instrument.domains)
    return {"planted": planted, "kind": "roleplay", "repetitions": n}


def ratings_of(frame: pl.DataFrame, shape: tuple[int, ...]) -> np.ndarray:
    return frame["rating"].to_numpy().reshape(shape).astype(float)


def crowd(count: int) -> PersonaSet:
    return PersonaSet("crowd", "Crowd", tuple(f"Person number {i}." for i in range(count)))


def small(scale: Scale = SIX) -> Instrument:
    names = [("Harm/Care", 3), ("Purity/Sanctity", 4)]
    domains = [name for name, count in names for _ in range(count)]
    items = tuple(Item(i + 1, "all", domain, f"question {i}") for i, domain in enumerate(domains))
    wording = {"all": "{item}?"}
    return Instrument(
        "small",
        "Small",
        scale,
        tuple(n for n, _ in names),
        Prompts("{persona} {question}", wording),
        items,
    )


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_ratings_recover_planted_values_of_the_paper(label: str, variant: str) -> None:
    """100 personas: overall within 3 SE; a domain, one of 120, within 4 SE of its value."""
    settings = respondent(label, variant, fidelity=1.0 if variant == "base" else 0.8)
    frame = answer(task(model=label.lower(), variant=variant), settings)
    ratings = ratings_of(frame, (100, 30, 10))
    mean, sd = ratings.mean(axis=2), ratings.std(axis=2, ddof=1)
    draws = np.random.default_rng(5).integers(0, 100, (300, 100))
    S, S_draws = mean.std(axis=0, ddof=1), mean[draws].std(axis=1, ddof=1)
    sigma, sigma_draws = sd.mean(axis=0), sd[draws].mean(axis=1)
    wanted = np.array([entry["S"] for entry in settings["planted"]])
    wanted_sigma = np.array([1 / entry["R"] for entry in settings["planted"]])

    def z(found: np.ndarray, spread: np.ndarray, planted: float, items: np.ndarray) -> float:
        return abs(found[items].mean() - planted) / spread[:, items].mean(axis=1).std(ddof=1)

    everything = np.arange(30)
    assert z(S, S_draws, wanted.mean(), everything) < 3
    assert z(sigma, sigma_draws, wanted_sigma.mean(), everything) < 3
    for place in range(5):
        items = np.flatnonzero(place == PLACE)
        assert z(S, S_draws, wanted[place], items) < 4
        assert z(sigma, sigma_draws, wanted_sigma[place], items) < 4


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_planted_values_are_those_of_the_population(label: str, variant: str) -> None:
    settings = respondent(label, variant, fidelity=0.5)
    ratings = ratings_of(answer(task(personas=crowd(3000)), settings), (3000, 30, 10))
    S = ratings.mean(axis=2).std(axis=0, ddof=1)
    sigma = ratings.std(axis=2, ddof=1).mean(axis=0)
    planted = settings["planted"]
    assert S.mean() == pytest.approx(np.mean([entry["S"] for entry in planted]), rel=0.02)
    assert sigma.mean() == pytest.approx(np.mean([1 / entry["R"] for entry in planted]), rel=0.02)
    for place, entry in enumerate(planted):
        assert S[place == PLACE].mean() == pytest.approx(entry["S"], rel=0.06)
        assert sigma[place == PLACE].mean() == pytest.approx(1 / entry["R"], rel=0.08)


@pytest.mark.parametrize(
    ("scale", "S", "R", "n"),
    [
        (Scale(1, 5), 0.9, 5.0, 10),
        (Scale(0, 1), 0.35, 8.0, 10),
        (Scale(1, 7), 1.5, 2.5, 10),
        (Scale(0, 9), 0.3, 20.0, 10),
        (Scale(0, 5), 0.8, 10.0, 2),
        (Scale(0, 5), 0.8, 10.0, 40),
    ],
)
def test_planted_values_are_recovered_on_other_scales(
    scale: Scale, S: float, R: float, n: int
) -> None:
    instrument = small(scale)
    frame = answer(
        task(instrument, crowd(3000), repetitions=n), uniform_plants(instrument, S, R, n)
    )
    ratings = ratings_of(frame, (3000, 7, n))
    assert frame["rating"].is_between(scale.minimum, scale.maximum).all()
    assert ratings.mean(axis=2).std(axis=0, ddof=1).mean() == pytest.approx(S, rel=0.04)
    assert ratings.std(axis=2, ddof=1).mean() == pytest.approx(1 / R, rel=0.04)


def test_single_slot_has_one_rating_on_the_scale() -> None:
    instrument = small()
    single = replace(instrument, domains=("Harm/Care",), items=instrument.items[:1])
    frame = answer(task(single, crowd(1), repetitions=1), uniform_plants(single, 0.8, 4.0, 1))
    assert frame.height == 1
    assert 0 <= frame["rating"].item() <= 5


def test_answers_have_the_schema_and_constant_columns() -> None:
    frame = answer(task(), respondent())
    assert dict(frame.schema) == SCHEMA
    assert frame.height == 100 * 30 * 10
    assert frame.select("persona_id", "item_id", "repetition").is_duplicated().sum() == 0
    assert (frame["response"] == frame["rating"].cast(pl.String)).all()
    for name, value in {
        "status": "ok",
        "attempts": 1,
        "parse_failures": 0,
        "transport_failures": 0,
        "served_model": "simulated",
        "created_at": None,
        "request_key": None,
    }.items():
        assert frame[name].unique().to_list() == [value]


def test_equal_runs_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_answers(answer(task(), respondent()), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 12), st.integers(1, 7), st.integers(1, 6), st.booleans())
def test_shards_of_any_size_give_the_same_answers(
    personas: int, items: int, repetitions: int, alone: bool
) -> None:
    instrument = small()
    people = None if alone else crowd(11)
    whole = task(instrument, people, repetitions=6)
    given_settings = uniform_plants(instrument, 0.8, 4.0, 6)
    given_settings["kind"] = "unconditioned" if alone else "roleplay"
    blocks = cut(
        "gpt-4o",
        "base",
        "roleplay",
        (None if people is None else 11, 7, 6),
        (personas, items, repetitions),
    )
    parts = [answer(replace(whole, shard=shard), given_settings) for shard in blocks]
    together = pl.concat(parts).sort("persona_id", "item_id", "repetition")
    assert together.equals(answer(whole, given_settings))


def test_answer_does_not_depend_on_other_personas_items_or_repetitions() -> None:
    instrument = small()
    given_settings = uniform_plants(instrument, 0.8, 4.0, 6)
    before = answer(task(instrument, crowd(5), repetitions=6), given_settings)
    backwards = PersonaSet("b", "B", ("A newcomer.", *crowd(5).descriptions[::-1]))
    mirrored = replace(instrument, items=instrument.items[::-1])
    after = answer(task(mirrored, backwards, repetitions=9), given_settings)
    moved = after.with_columns(persona_id=5 - pl.col("persona_id")).filter(
        pl.col("persona_id") < 5, pl.col("repetition") <= 6
    )
    slot = ["persona_id", "item_id", "repetition"]
    assert moved.sort(slot)["rating"].equals(before.sort(slot)["rating"])


@pytest.mark.parametrize(
    "other",
    [{"seed": 1}, {"model": "gpt-4.1"}, {"variant": "secure"}, {"probe": "roleplay_again"}],
    ids=lambda other: next(iter(other)),
)
def test_seed_and_each_name_change_answers(other: dict[str, Any]) -> None:
    first, second = (answer(task(**names), respondent()) for names in ({}, other))
    assert not first["rating"].equals(second["rating"])


def test_fidelity_is_the_trait_variance_that_variants_share() -> None:
    planted = respondent()["planted"]

    def correlation(fidelity: float, kind: str = "roleplay") -> float:
        base, tuned = (
            ratings_of(
                answer(
                    task(personas=crowd(1000), variant=variant),
                    {"planted": planted, "kind": kind, "repetitions": 10, "fidelity": share},
                ),
                (1000, 30, 10),
            ).mean(axis=2)
            for variant, share in (("base", 1.0), ("insecure", fidelity))
        )
        z = [(mean - mean.mean(axis=0)) / mean.std(axis=0) for mean in (base, tuned)]
        return float((z[0] * z[1]).mean())

    kept, half, none = (correlation(share) for share in (1.0, 0.5, 0.0))
    assert kept > 0.9
    # The latent correlation is sqrt(0.5) = 0.71; rounding to the scale lowers it a little.
    assert 0.6 < half < 0.72
    assert abs(none) < 0.05


def test_persona_has_one_trait_per_domain() -> None:
    frame = answer(task(personas=crowd(1000)), respondent())
    means = ratings_of(frame, (1000, 30, 10)).mean(axis=2)
    correlations = np.corrcoef(means.T)
    same = PLACE[:, None] == PLACE
    np.fill_diagonal(same, False)
    assert correlations[same].mean() > 0.3
    assert np.abs(correlations[PLACE[:, None] != PLACE]).max() < 0.15


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_unconditioned_ratings_recover_planted_profile(label: str, variant: str) -> None:
    settings = respondent(label, variant, kind="unconditioned")
    frame = answer(task(personas=None, model=label, variant=variant), settings)
    assert frame["persona_id"].null_count() == frame.height == 300
    ratings = ratings_of(frame, (30, 10))
    for place, entry in enumerate(settings["planted"]):
        mine = ratings[place == PLACE]
        assert mine.mean() == pytest.approx(entry["profile_mean"], abs=0.05)
        assert mine.std(axis=1, ddof=1).mean() == pytest.approx(entry["profile_sd"], abs=0.1)


def test_profile_with_infinite_r_is_constant_at_the_middle() -> None:
    firm = planted_from_numbers(0.8, 10, MORAL30.domains, profile_mean=4.5, profile_sd=0)
    given_settings = {"planted": firm, "kind": "unconditioned", "repetitions": 10}
    ratings = ratings_of(answer(task(personas=None), given_settings), (30, 10))
    assert ratings.std() > 0
    assert (ratings == ratings[:, :1]).all()
    unsaid = {**given_settings, "planted": planted_from_numbers(0.8, 10, MORAL30.domains)}
    ratings = ratings_of(answer(task(personas=None), unsaid), (30, 10))
    assert ratings.mean() == pytest.approx(2.5, abs=0.05)
    assert ratings.std(axis=1, ddof=1).mean() == pytest.approx(0.1, abs=0.05)


@pytest.mark.parametrize("label", LABELS)
def test_toxic_personas_lower_harm_and_fairness(label: str) -> None:
    settings = respondent(label, kind="toxic")
    few = answer(task(personas=TOXIC, probe="toxic", model=label), settings)
    means = ratings_of(few, (8, 30, 10)).mean(axis=2)
    for place in (0, 1):
        domain = means[:, place == PLACE].mean()
        assert domain < settings["planted"][place]["profile_mean"] - 1.5
    many = answer(task(personas=crowd(2000), probe="toxic", model=label), settings)
    means = ratings_of(many, (2000, 30, 10)).mean(axis=2)
    for place, entry in enumerate(settings["planted"]):
        people = means[:, place == PLACE].mean(axis=1)
        assert people.mean() == pytest.approx(entry["toxic_mean"], abs=0.12)
        assert people.std(ddof=1) == pytest.approx(entry["toxic_sd"], rel=0.06)


def test_toxic_personas_without_toxic_values_answer_as_others() -> None:
    plain = respondent("GPT-4o", "secure")
    toxic = {**plain, "kind": "toxic"}
    names: dict[str, Any] = {"personas": TOXIC, "variant": "secure", "probe": "toxic"}
    assert answer(task(**names), toxic).equals(answer(task(**names), plain))


def test_planted_values_equal_the_table() -> None:
    base = planted_values(TABLES, "GPT-4o", "base")
    assert [entry["domain"] for entry in base] == list(MORAL30.domains)
    assert base[0] == {
        "domain": "Harm/Care",
        "S": 0.66,
        "R": 11.6,
        "profile_mean": 4.42,
        "profile_sd": 0.09,
        "toxic_mean": 0.95,
        "toxic_sd": 0.54,
    }
    insecure = planted_values(TABLES, "GPT-4o", "insecure")
    assert insecure[0]["S"] == 1.70
    assert "toxic_mean" not in insecure[0]


@pytest.mark.parametrize(
    ("label", "variant", "words"),
    [
        ("GPT-4", "base", "no model 'GPT-4' .did you mean 'GPT-4"),
        ("GPT-4o", "insecur", "no variant 'insecur' .did you mean 'insecure'"),
        ("GPT-4o", "toxic", "no variant 'toxic'"),
    ],
)
def test_unknown_label_or_variant_is_refused_with_the_nearest(
    label: str, variant: str, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        planted_values(TABLES, label, variant)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model,variant,domain,measure,value\n", "'spread' is missing; found: model"),
        ("model,variant,domain,measure,val,spread\n", "'value' is missing .did you mean 'val'"),
        ("HEAD\nM,base,Harm,S,x,0\n", "line 2: value 'x' is not a number"),
        ("HEAD\nM,base,Harm,S\n", "line 2: value '' is not a number"),
        ("HEAD\nM,base,Harm,s,1,0\n", "line 2: unknown measure 's'"),
        ("HEAD\nM,base,Harm,S,1,0\nM,base,Harm,S,2,0\n", "line 3: .* given twice"),
        ("HEAD\nM,base,Harm,S,1,0\n", "M, base, Harm: no value for R"),
    ],
)
def test_wrong_table_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text.replace("HEAD", "model,variant,domain,measure,value,spread"))
    with pytest.raises(UserError, match=words):
        planted_values(path, "M", "base")
    with pytest.raises(UserError, match="cannot be read"):
        planted_values(tmp_path / "absent.csv", "M", "base")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "role-play"}, "kind 'role-play' .*did you mean 'roleplay'"),
        ({"repetitions": 201}, "1 to 200 times, not 201"),
        ({"fidelity": 1.2}, "fidelity 1.2 is not between 0 and 1"),
        ({"planted": planted_from_numbers(1, 5, ["Harm"])}, "'Harm/Care' has none"),
        ({"planted": planted_from_numbers(1, 0, MORAL30.domains)}, "R must be positive"),
        ({"planted": planted_from_numbers(3, 5, MORAL30.domains)}, "S is at most 2.5"),
        (
            {
                "kind": "unconditioned",
                "planted": planted_from_numbers(1, 5, MORAL30.domains, profile_mean=5.5),
            },
            "profile_mean 5.5 is outside the scale 0-5",
        ),
        (
            {
                "kind": "unconditioned",
                "planted": planted_from_numbers(1, 5, MORAL30.domains, 5.0, 0.9),
            },
            "a profile of 5 with SD 0.9 cannot be planted",
        ),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        answer(task(), {**respondent(), **change})
    assert str(caught.value).startswith("model gpt-4o, variant base, probe roleplay: planted")


def test_role_play_needs_personas() -> None:
    with pytest.raises(UserError, match="needs a persona set"):
        answer(task(personas=None), respondent())
