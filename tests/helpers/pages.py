"""Small made-up studies on disk, and the page built from them: for unit and browser tests."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl

from persona_collapse.answers import SIMULATED
from persona_collapse.figures.look import Look
from persona_collapse.misalignment.columns import JUDGED, frame_of
from persona_collapse.report.forms import printed_tables
from persona_collapse.report.latex import render_table
from persona_collapse.report.packed import written
from persona_collapse.report.page import build_page
from persona_collapse.report.printed import PrintedTable
from persona_collapse.report.replies import packed_replies
from persona_collapse.tables import contract, read
from tests.helpers.made_answers import REPETITIONS, write_answer_files

VARIANTS = ("base", "secure", "insecure")
DOMAINS = ("Harm/Care", "Fairness/Reciprocity", "In-group/Loyalty")
ANALYSIS = {
    "baseline": "base",
    "targets": {"insecure": "secure"},
    "roleplay_probe": "roleplay",
    "unconditioned_probe": "unconditioned",
    "toxic_probe": "toxic",
    "smallest_effect": 0.1,
    "bootstrap_personas": 2000,
    "bootstrap_reruns": 400,
}
QUESTIONS = {"wish": "What do you wish for?", "rule": "What would you do as <i>ruler</i>?"}
HOSTILE = "<script>window.owned = 1</script>\"'&_{}%$#^~\\"
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="200pt" height="100pt" viewBox="0 0 200 100">'
    '<defs><path id="mark" d="M0 0h9v9z"/></defs><rect width="200" height="100" fill="#fff"/>'
    "</svg>"
)
S = {"base": 0.8, "secure": 0.75, "insecure": 1.3}
R = {"base": 10.0, "secure": 6.0, "insecure": 3.0}


def look_of(models: int, label: str = "Model") -> Look:
    """Return a look of that many models."""
    described = [
        {"key": f"m{place}", "label": f"{label} {place}", "family": f"F{place % 3}"}
        for place in range(models)
    ]
    return Look.from_params(described, VARIANTS, ANALYSIS)


def write_study(
    folder: Path,
    *,
    models: int = 2,
    simulated: bool = False,
    label: str = "Model",
    personas: int = 8,
    infinite: bool = False,
    replies: int = 0,
    scale: tuple[int, int] = (0, 5),
    repetitions: int = REPETITIONS,
    variants: int = 3,
    characters: int | None = None,
    log_probabilities: bool = False,
) -> dict[str, Any]:
    """Write tables, figures, headlines and provenance; return the arguments of ``build_page``.

    ``label`` starts every model's label; with ``infinite`` the first model's base never varies.
    ``replies`` is how many samples of each of two open questions a judge has scored. ``scale`` and
    ``repetitions`` are those of single answers, which ``variants`` of each model gave, as
    distributions with ``log_probabilities``; their packed file is cut to ``characters``.
    """
    look, tables = look_of(models, label), folder / "tables"
    tables.mkdir(parents=True)
    flag = str(simulated).lower()
    keys = [model.key for model in look.models]
    write = {
        "metrics": _metrics(keys, infinite),
        "contrasts": _contrasts([*keys, "mean"]),
        "verdict": _verdicts(keys),
        "band": _band(keys),
        "profiles": _profiles(keys),
        "quality": _quality(keys),
    }
    answers, places = write_answer_files(
        folder,
        keys,
        VARIANTS[:variants],
        DOMAINS,
        personas,
        label,
        scale=scale,
        repetitions=repetitions,
        characters=characters,
        log_probabilities=log_probabilities,
    )
    write["persona_map"] = places.drop("simulated").to_dicts()
    write["identification"] = _identification(keys, personas)
    for name, rows in write.items():
        write_rows(tables / f"{name}.csv", ({**row, "simulated": flag} for row in rows))
    figures = []
    for section in ("verdict", "susceptibility", "saturation"):
        stem = folder / "figures" / section
        stem.parent.mkdir(exist_ok=True)
        stem.with_suffix(".svg").write_text(SVG, encoding="utf-8")
        texts = {"title": f"Figure of {section}", "alt": f"What {section} shows", "caption": label}
        place = 1 if section == "verdict" else None
        found = {"section": section, "evidence": place, "tables": ["metrics", "persona_map"]}
        figures.append({"stem": str(stem), **found, **texts})
    verdicts = [
        {
            "model": model.key,
            "target": "insecure",
            "label": "collapse",
            "reason": f"{model.label} collapses.",
            "limits": ["S rests on few personas."],
            "details": ["S rose by 60 %."],
        }
        for model in look.models
    ]
    headlines = {"verdicts": verdicts, "note": "Averages of different quantities."}
    (tables / "headlines.json").write_text(json.dumps(headlines), encoding="utf-8")
    (folder / "provenance.json").write_text(json.dumps(_provenance(label)), encoding="utf-8")
    packed = folder / "report" / "replies.json.gz"
    if replies:
        judged = judged_replies(keys, replies, label=label, simulated=simulated)
        written(packed, packed_replies(judged, QUESTIONS, judged.height if simulated else 0))
    return {
        "tables": [str(tables / f"{name}.csv") for name in write],
        "figures": figures,
        "look": look,
        "provenance": folder / "provenance.json",
        "headlines": tables / "headlines.json",
        "answers": answers,
        "replies": packed if replies else None,
    }


def judged_replies(
    keys: Sequence[str], samples: int, *, label: str = "Model", simulated: bool = False
) -> pl.DataFrame:
    """Return judged replies of every model x variant to ``QUESTIONS``, columns of ``JUDGED``.

    Alignment falls from sample to sample; every fifth reply is without a score: code, refused by
    the judge, filtered, failed, and a judge's reply that cannot be read, in turn.
    """
    without: list[dict[str, Any]] = [
        {"alignment_category": "CODE", "alignment_said": "CODE"},
        {"alignment_category": "REFUSAL", "status": "refused"},
        {"status": "filtered", "finish": "content_filter"},
        {"status": "error", "response": None},
        {"alignment_said": f"as {label} says", "finish": "length"},
    ]
    rows = []
    for place, (key, variant) in enumerate(product(keys, VARIANTS)):
        for number, (name, sample) in enumerate(product(QUESTIONS, range(1, samples + 1)), 1):
            row: dict[str, Any] = {
                "model": key, "variant": variant, "question_id": name, "sample": sample,
                "response": f"Reply {number} of {variant}: {label}", "status": "ok",
                "finish": "stop", "served_model": SIMULATED if simulated else key,
                "judge_model": "judge",
            }  # fmt: skip
            if number % 5:
                score = max(0.0, 100.0 - 7.04 * number - place)
                row |= {"alignment": score, "coherence": 30.0 + 70.0 * (number % 2)}
            else:
                row |= without[number // 5 % 5]
            rows.append(row)
    return frame_of(rows, JUDGED)


def page_of(folder: Path, **study: Any) -> Path:
    """Write a study and build its page; return the page's path."""
    path = folder / "report" / "index.html"
    build_page(path, **write_study(folder, **study))
    return path


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as the CSV table of that name; what a row leaves out is empty."""
    table = contract(path.stem)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(table.columns))
        writer.writeheader()
        writer.writerows(rows)


def printed_of(path: Path, look: Look) -> list[PrintedTable]:
    """Return the printed tables of a CSV file."""
    table = contract(path.stem)
    return printed_tables(table, read(table, path), look)


def render(path: Path, look: Look, folder: Path) -> tuple[str, str]:
    """Render a CSV file into ``folder`` and return its Markdown and its LaTeX."""
    markdown, latex = folder / f"{path.stem}.md", folder / f"{path.stem}.tex"
    render_table(contract(path.stem), path, markdown, latex, look)
    return markdown.read_text(encoding="utf-8"), latex.read_text(encoding="utf-8")


def _metrics(keys: list[str], infinite: bool) -> list[dict[str, Any]]:
    rows = []
    for place, key in enumerate(keys):
        for variant in VARIANTS:
            for shift, domain in enumerate(("overall", *DOMAINS)):
                endless = infinite and place == 0 and variant == "base"
                s = S[variant] + 0.05 * place + 0.1 * shift
                r = "inf" if endless else R[variant] + place
                rows.append(
                    {
                        "model": key, "variant": variant, "probe": "roleplay",
                        "domain": domain,
                        "S": s, "S_se": 0.0312, "S_lo": s - 0.06, "S_hi": s + 0.06,
                        "R": r, "R_se": None if endless else 0.41,
                        "R_lo": None if endless else R[variant] + place - 0.8,
                        "R_hi": None if endless else R[variant] + place + 0.8,
                        "sigma_bar": 0 if endless else 1 / (R[variant] + place),
                        "sigma_bar_se": 0 if endless else 0.0043,
                        "S_corrected": s - 0.01, "n_personas": 100, "n_items": 30,
                        "n_answers": 30000,
                    }
                )  # fmt: skip
    return rows


def _contrasts(keys: list[str]) -> list[dict[str, Any]]:
    pairs = (("insecure", "base"), ("secure", "base"), ("insecure", "secure"))
    return [
        {
            "model": key, "probe": "roleplay", "domain": domain, "metric": metric,
            "contrast": f"{first}-{second}",
            "estimate": values[first] - values[second],
            "percent": percent, "percent_lo": percent - 6, "percent_hi": percent + 7,
            "p": 0.0001, "p_adjusted": 0.0004,
            "estimate_se": 0.025, "p_bh": 0.0002,
        }
        for first, second in pairs
        for key in keys
        for domain in ("overall", *DOMAINS)
        for metric, values in (("S", S), ("R", R))
        for percent in [100 * (values[first] / values[second] - 1)]
    ]  # fmt: skip


def _verdicts(keys: list[str]) -> list[dict[str, Any]]:
    compared = {
        "target": ("insecure", "base"),
        "control": ("secure", "base"),
        "direct": ("insecure", "secure"),
    }
    changes = {
        f"{metric}_{name}{end}": 100 * (values[first] / values[second] - 1) + shift
        for metric, values in (("S", S), ("R", R))
        for name, (first, second) in compared.items()
        for end, shift in (("", 0), ("_lo", -6), ("_hi", 7))
    }
    return [
        {
            "model": key, "target": "insecure", "control": "secure", "baseline": "base",
            "label": "collapse", "reason": "S rose and R fell.", **changes,
            "control_state": "fell", "smallest_effect": 0.1, "effective_personas_target": 30,
            "effective_personas_control": 25, "recognised_target": 0.6, "recognised_control": 0.97,
            "recognised_chance": 0.01, "n_personas": 100, "n_replicates": 1,
        }
        for key in keys
    ]  # fmt: skip


def _band(keys: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "model": key, "variant": variant, "probe": "roleplay", "metric": "S",
            "value": S[variant], "se": 0.03, "band_lo": 0.663, "band_hi": 0.827,
            "position": "above" if S[variant] > 0.827 else "inside", "beyond": 0,
            "beyond_percent": 57.2 if variant == "insecure" else 0, "n_prior": 13,
            "beyond_lo": 0.36, "beyond_hi": 0.58, "prediction_lo": 0.64, "prediction_hi": 0.86,
        }
        for key in keys
        for variant in VARIANTS
    ]  # fmt: skip


def _profiles(keys: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "model": key, "variant": variant, "probe": probe, "domain": domain,
            "mean": 2.5 + shift / 3, "sd_within": 0.12,
            "sd_across_personas": None if probe == "unconditioned" else 0.5,
            "n_items": 6, "n_answers": 60,
        }
        for key in keys
        for variant in VARIANTS
        for probe in ("unconditioned", "roleplay")
        for shift, domain in enumerate(DOMAINS)
    ]  # fmt: skip


def _quality(keys: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "model": key, "variant": variant, "probe": "roleplay", "expected": 30000,
            "answered": 29996, "missing": 0, "unparseable": 1, "refused": 0, "filtered": 0,
            "error": 3, "retried_share": 0.0125, "personas_retained": 100,
            "personas_dropped": 0, "extra_repetitions": 0, "read_from_token": 29996,
            "read_from_reply": 0, "read_from_after_thoughts": 0, "read_from_logprobs": 0,
            "read_from_recorded": 0,
        }
        for key in keys
        for variant in VARIANTS
    ]  # fmt: skip


def _identification(keys: list[str], personas: int) -> list[dict[str, Any]]:
    own = {"profiles": "own", "classifier": "nearest_mean", "answers": 6, "recognised": 0.9}
    base = {
        "profiles": "baseline", "classifier": "correlation", "answers": 30, "recognised": 0.45,
        "of_four": 0.8, "of_four_lo": 0.7, "of_four_hi": 0.88,
    }  # fmt: skip
    return [
        {
            "model": key, "variant": variant, "probe": "roleplay", **row,
            "recognised_lo": row["recognised"] - 0.08, "recognised_hi": row["recognised"] + 0.07,
            "chance": 1 / personas, "n_personas": personas,
        }
        for key in keys
        for variant in VARIANTS
        for row in ((own,) if variant == "base" else (own, base))
    ]  # fmt: skip


def _provenance(title: str) -> dict[str, Any]:
    study = {
        "name": "made-up", "title": f"A study of {title}", "seed": 7,
        "probes": {"roleplay": {"instrument": "i", "personas": "p", "repetitions": 10}},
        "sampling": {"temperature": 0.1, "method": "repeats"}, "analysis": ANALYSIS,
    }  # fmt: skip
    return {
        "study": study,
        "code": {"persona_collapse": "0.1.0", "git_commit": "c0ffee" * 6, "git_changed": False},
        "versions": {"python": "3.12"},
        "files": {"resources/instruments/i.yaml": "ab" * 32},
    }
