"""Studies of other shapes than base, control and target with repetitions: each ends with a page."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.workflow.conftest import Project

PROBE = {"instrument": "moral30", "personas": "everyday100", "persona_count": 4, "repetitions": 2}
FEW = {"bootstrap_personas": 50, "bootstrap_reruns": 10, "bootstrap_diagnostics": 20}
PLANTED = {"base": (0.6, 10), "secure": (0.6, 6)}
THREE = ("base", "secure", "insecure")
Rate = Callable[[str, int, int, int], int | None]


def planted(name: str) -> dict[str, Any]:
    S, R = PLANTED.get(name, (1.1, 3))
    return {"endpoint": "simulated", "planted": {"S": S, "R": R}}


def simulated(
    project: Project, name: str, *variants: str, targets: Any = None, **probe: Any
) -> str:
    analysis = {**FEW, "permutations": 99, **({"targets": targets} if targets else {})}
    return project.study(
        name,
        models={"m": {"variants": {variant: planted(variant) for variant in variants}}},
        probes={"roleplay": {**PROBE, **probe}},
        analysis=analysis,
    )


def recorded(project: Project, name: str, rate: Rate) -> str:
    """Write a study of recorded answers; ``rate`` gives a rating of variant, persona and item."""
    folder = project.root / "recorded" / name
    folder.mkdir(parents=True)
    variants = {}
    for variant in THREE:
        with (folder / f"{variant}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["persona_id", "question_id", "run_index", "rating"])
            for persona in range(4):
                for item in range(1, 31):
                    for run in (1, 2):
                        rating = rate(variant, persona, item, run)
                        writer.writerow([persona, item, run, "" if rating is None else rating])
        variants[variant] = {"endpoint": "files", "files": {"roleplay": f"{variant}.csv"}}
    return project.study(
        name,
        endpoints={"files": {"kind": "recorded", "root": str(folder)}},
        models={"m": {"variants": variants}},
        probes={"roleplay": PROBE},
        analysis={**FEW, "permutations": 99},
    )


def table(project: Project, study: str, name: str) -> pl.DataFrame:
    path = project.root / "results" / study / "tables" / f"{name}.csv"
    return pl.read_csv(path, infer_schema_length=None)


def page_of(project: Project, config: str) -> str:
    """Run a study and return the text of its page."""
    project.run("--quiet", "all", "--config", config)
    folder = project.root / "results" / config.removeprefix("study=")
    text = (folder / "report" / "index.html").read_text(encoding="utf-8")
    return re.sub(r"<[^>]+>", "", text)


@pytest.mark.slow
@pytest.mark.parametrize(
    "variants", [("base",), ("original",), ("base", "secure"), ("base", "one", "two")]
)
def test_study_without_a_target_describes_what_was_measured(
    project: Project, variants: tuple[str, ...]
) -> None:
    name = f"shape-{'-'.join(variants)}"
    page = page_of(project, simulated(project, name, *variants))
    assert "No variant of this study is a target" in page
    assert "by default a variant insecure is the target" in page
    assert all(f"S of {variant}" in page for variant in variants)
    contrasts = set(table(project, name, "contrasts")["contrast"])
    assert contrasts == {f"{variant}-{variants[0]}" for variant in variants[1:]}
    assert "collapse pattern" not in page.lower().partition("methods")[0].partition("verdict")[2]


@pytest.mark.slow
def test_every_target_has_its_contrasts_and_verdict(project: Project) -> None:
    targets = {"insecure": "secure", "medical": None}
    config = simulated(project, "shape-targets", *THREE, "medical", targets=targets)
    page = page_of(project, config)
    assert "m, insecure" in page
    assert "m, medical" in page
    contrasts = table(project, "shape-targets", "contrasts")
    assert set(contrasts["contrast"]) == {
        *("insecure-base", "secure-base", "insecure-secure", "medical-base")
    }


@pytest.mark.slow
def test_one_repetition_gives_no_robustness_and_no_word_about_it(project: Project) -> None:
    config = simulated(project, "shape-once", *THREE, repetitions=1)
    said = project.run("plan", "--quiet", "all", "--config", config)
    assert "probes.roleplay.repetitions: 1: R stays empty" in said
    page = page_of(project, config)
    assert "R needs two answers to the same persona and item; there is one" in page
    metrics = table(project, "shape-once", "metrics")
    for column in ("R", "R_se", "R_lo", "sigma_bar", "S_corrected"):
        assert metrics[column].is_null().all(), column
    assert metrics["S"].is_not_null().all()
    overall = metrics.filter(pl.col("domain") == "overall")
    assert (overall["S"] > 0).all()
    R = table(project, "shape-once", "contrasts").filter(pl.col("metric") != "S")
    assert R["p"].is_null().all()
    assert "∞" not in page.partition("Table 1")[0].partition("Verdict")[2].split("Figure 1")[0]
    band = Path(project.root / "results/shape-once/tables/band.csv")
    assert not band.exists() or "R" not in set(pl.read_csv(band)["metric"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("one-persona", {"persona_count": 1}),
        ("two-personas", {"persona_count": 2}),
        ("one-of-everything", {"persona_count": 1, "repetitions": 1}),
    ],
)
def test_smallest_studies_end_with_a_page(
    project: Project, name: str, change: dict[str, int]
) -> None:
    page = page_of(project, simulated(project, f"shape-{name}", *THREE, **change))
    S = table(project, f"shape-{name}", "metrics").filter(pl.col("domain") == "overall")["S"]
    if change["persona_count"] > 1:
        assert (S > 0).all()
    else:
        assert "S needs two personas" in page
        assert S.is_null().all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("all-equal", lambda variant, persona, item, run: 3),
        ("no-spread", lambda variant, persona, item, run: (item + run) % 6),
        (
            "constant-target",
            lambda variant, persona, item, run: (
                5 if variant == "insecure" else (persona + item + run) % 6
            ),
        ),
        (
            "target-without-ratings",
            lambda variant, persona, item, run: (
                None if variant == "insecure" else (persona + item + run) % 6
            ),
        ),
        ("no-ratings", lambda variant, persona, item, run: None),
        (
            "no-common-persona",
            lambda variant, persona, item, run: (
                (persona + item + run) % 6 if (persona < 2) == (variant == "base") else None
            ),
        ),
    ],
)
def test_constant_and_missing_answers_end_with_a_page(
    project: Project, name: str, rate: Rate
) -> None:
    page = page_of(project, recorded(project, f"shape-{name}", rate))
    assert ("S and R need a persona" in page) is name.endswith("-ratings")
    if name == "target-without-ratings":
        metrics = table(project, f"shape-{name}", "metrics").filter(variant="insecure")
        assert set(metrics["n_personas"]) == {0}
        assert metrics["S"].is_null().all()
    undetermined = "Collapse pattern" not in page
    assert undetermined


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        (("original", "insecure"), "analysis.baseline: no model has a variant 'base'"),
        (("base", "insecure"), "analysis.targets: no model has a variant 'medical'"),
    ],
)
def test_roles_that_no_variant_fills_are_refused_before_anything_is_asked(
    project: Project, variants: tuple[str, ...], message: str
) -> None:
    targets = {"medical": None} if variants[0] == "base" else None
    config = simulated(project, "shape-refused", *variants, targets=targets)
    assert message in project.fail("-n", "--quiet", "all", "--config", config)
