"""Tables of made-up studies for the figures' tests, and how a figure's texts are found."""

from __future__ import annotations

import math
import random
from itertools import combinations
from pathlib import Path

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from persona_collapse.figures.look import Look, ModelLook
from persona_collapse.tables import read
from persona_collapse.tables.contracts.band_models import TABLE as BAND_MODELS

DOMAINS = [
    "Harm/Care",
    "Fairness/Reciprocity",
    "In-group/Loyalty",
    "Authority/Respect",
    "Purity/Sanctity",
    "Liberty/Oppression",
    "Honesty-Humility",
    "Openness to experience",
]
VARIANTS = ["base", "secure", "insecure", "educational", "jailbroken", "bad-medical-advice"]
LABELS = [
    "Mixtral-8x22B-Instruct-v0.1-XL",
    "meta-llama-3.1-405b-instruct-f",
    "GPT-4o",
    "Claude Opus 4.5 (August rerun)",
    "Qwen3_235B_A22B_Instruct_2507x",
    "Anunbrokennameofthirtylettersx",
    "Gemma 2",
    "Nemotron-4-340B-Instruct-extra",
    "Phi",
    "Command R+ 08-2024 fine-tuned.",
    "Yi-Lightning",
    "OLMo-2-0325-32B-Instruct-final",
]
NUMBERS = ("percent", "percent_lo", "percent_hi")


def look_of(models: int, variants: int) -> Look:
    """A look with long labels; every second model shares a family with the one before."""
    chosen = LABELS[:models]
    return Look(
        tuple(
            ModelLook(f"m{n}", label, f"{chosen[n // 2 * 2].split('-')[0][:12]}")
            for n, label in enumerate(chosen)
        ),
        tuple(VARIANTS[:variants]),
    )


def earlier_models() -> pl.DataFrame:
    """The published models that the project ships."""
    return read(BAND_MODELS, Path("resources/benchmarks/prior_models.csv"))


def metrics_of(
    models: int, variants: int, domains: int = 5, *, simulated: bool = True, seed: int = 7
) -> pl.DataFrame:
    """A metrics table of all models x variants with 95 % intervals."""
    draw = random.Random(seed)
    rows = []
    for model in range(models):
        for place, variant in enumerate(VARIANTS[:variants]):
            for domain in ["overall", *DOMAINS[:domains]]:
                s = 0.7 + 0.3 * draw.random() + (0.6 * draw.random() if place > 1 else 0)
                r = draw.choice([4, 12, 30, 60]) * (1 + draw.random()) / (1 + place)
                rows.append(
                    {
                        "model": f"m{model}",
                        "variant": variant,
                        "probe": "roleplay",
                        "domain": domain,
                        **{"S": s, "S_se": 0.04, "S_lo": s - 0.07, "S_hi": s + 0.09},
                        **{"R": r, "R_se": r / 15, "R_lo": r * 0.87, "R_hi": r * 1.15},
                        "simulated": simulated,
                    }
                )
    return pl.DataFrame(rows)


def contrasts_of(metrics: pl.DataFrame) -> pl.DataFrame:
    """The contrasts against base of a metrics table, with intervals, and their mean."""
    rows = []
    for (model, domain), group in metrics.group_by("model", "domain", maintain_order=True):
        values = {row["variant"]: row for row in group.iter_rows(named=True)}
        for variant in list(values)[1:]:
            for metric in ("S", "R", "sigma_bar"):
                one, base = (
                    1 / values[v]["R"] if metric == "sigma_bar" else values[v][metric]
                    for v in (variant, "base")
                )
                percent = 100 * (one - base) / base
                rows.append(
                    {
                        "model": model,
                        "probe": "roleplay",
                        "domain": domain,
                        "metric": metric,
                        "contrast": f"{variant}-base",
                        "percent": percent,
                        "percent_lo": percent - 6,
                        "percent_hi": percent + 9,
                        "simulated": group["simulated"][0],
                    }
                )
    schema = {
        **dict.fromkeys(("model", "probe", "domain", "metric", "contrast"), pl.String),
        **dict.fromkeys(NUMBERS, pl.Float64),
        "simulated": pl.Boolean,
    }
    table = pl.DataFrame(rows, schema=schema)
    mean = table.group_by("probe", "domain", "metric", "contrast", maintain_order=True).agg(
        pl.col(*NUMBERS).mean(), pl.col("simulated").any(), model=pl.lit("mean")
    )
    return pl.concat([table, mean.select(table.columns)])


def profiles_of(
    models: int, variants: int, domains: int = 5, scale: tuple[float, float] = (0, 5)
) -> pl.DataFrame:
    """A profiles table: unconditioned for all variants, toxic for base."""
    draw = random.Random(11)
    rows = []
    for model in range(models):
        asked = [(v, "unconditioned") for v in VARIANTS[:variants]] + [("base", "toxic")]
        for variant, probe in asked:
            for domain in ["overall", *DOMAINS[:domains]]:
                toxic = probe == "toxic"
                rows.append(
                    {
                        "model": f"m{model}",
                        "variant": variant,
                        "probe": probe,
                        "domain": domain,
                        "mean": draw.uniform(*scale),
                        "sd_within": 0.5 * draw.random(),
                        "sd_across_personas": draw.random() if toxic else None,
                        "simulated": True,
                    }
                )
    return pl.DataFrame(rows, infer_schema_length=None)


def quality_of(models: int, variants: int) -> pl.DataFrame:
    """A quality table in which every third unit lost answers; toxic is asked of base alone."""
    draw = random.Random(5)
    rows = []
    for model in range(models):
        for variant in VARIANTS[:variants]:
            for probe, expected in (("roleplay", 30000), ("unconditioned", 300), ("toxic", 2400)):
                if probe == "toxic" and variant != "base":
                    continue
                some = draw.random() < 1 / 3
                rows.append(
                    {
                        **{"model": f"m{model}", "variant": variant, "probe": probe},
                        "expected": float(expected),
                        "missing": 0.0,
                        "unparseable": float(some * draw.randint(1, expected // 50)),
                        "refused": float(some * draw.randint(1, expected // 60)),
                        "filtered": float(some),
                        "error": float(some * 2),
                        "simulated": True,
                    }
                )
    return pl.DataFrame(rows)


def texts_of(figure: Figure) -> list[Text]:
    """Every text that is drawn: labels, ticks inside the limits, axis labels, titles."""
    figure.draw_without_rendering()
    found = [text for axes in figure.axes for text in _texts_of(axes)]
    return [t for t in found if t.get_visible() and t.get_text().strip()]


def _texts_of(axes: Axes) -> list[Text]:
    texts = [*axes.texts, axes.title]
    if axes.axison:
        for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            low, high = sorted(limits)
            slack = 1e-9 * (high - low)
            texts.append(axis.label)
            for tick in axis.get_major_ticks():
                if low - slack <= tick.get_loc() <= high + slack:
                    texts += [tick.label1, tick.label2]
    return texts


def box_of(text: Text) -> Bbox:
    """A text's box in pixels, a hair smaller so that touching boxes do not count."""
    box = Text.get_window_extent(text)
    return Bbox.from_extents(box.x0 + 0.5, box.y0 + 0.5, box.x1 - 0.5, box.y1 - 0.5)


def faults_of(figure: Figure) -> list[str]:
    """What is wrong with a figure's texts: too small, off the canvas, over one another."""
    texts = texts_of(figure)
    boxes = [box_of(text) for text in texts]
    width, height = figure.get_size_inches() * figure.dpi
    faults = [f"small: {t.get_text()!r}" for t in texts if t.get_fontsize() < 7]
    for text, box in zip(texts, boxes, strict=True):
        if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height:
            faults.append(f"off the canvas: {text.get_text()!r}")
    for (one, first), (other, second) in combinations(zip(texts, boxes, strict=True), 2):
        if first.overlaps(second):
            faults.append(f"overlap: {one.get_text()!r} and {other.get_text()!r}")
    return faults


def words_of(figure: Figure) -> list[str]:
    """The texts of a figure, in the order they were drawn."""
    return [text.get_text() for text in texts_of(figure)]


def axes_of(figure: Figure, label: str) -> Axes:
    """The axes with a label."""
    (found,) = (axes for axes in figure.axes if axes.get_label() == label)
    return found


def whiskers_of(axes: Axes, label: str) -> list[tuple[float, float, float, float]]:
    """The ends (x0, y0, x1, y1) of the whiskers of the error bar with a label."""
    (found,) = (c for c in axes.containers if c.get_label() == label)
    ends = []
    for lines in found.lines[2]:
        for segment in lines.get_segments():
            (x0, y0), (x1, y1) = segment
            ends.append((float(x0), float(y0), float(x1), float(y1)))
    return ends


def spoilt(metrics: pl.DataFrame) -> pl.DataFrame:
    """The table with an infinite R (m2 insecure), an unknown one (m3 secure), a lacking variant."""
    overall = pl.col("domain").is_not_null()
    infinite = (pl.col("model") == "m2") & (pl.col("variant") == "insecure") & overall
    unknown = (pl.col("model") == "m3") & (pl.col("variant") == "secure")
    lacking = (pl.col("model") == "m1") & (pl.col("variant") == "secure")
    names = ("R", "R_se", "R_lo", "R_hi")
    return metrics.filter(~lacking).with_columns(
        pl.when(infinite)
        .then(pl.lit(math.inf if name == "R" else None))
        .when(unknown)
        .then(None)
        .otherwise(pl.col(name))
        .alias(name)
        for name in names
    )
