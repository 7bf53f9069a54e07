"""The answer of a study in one sentence, counted from its verdicts, and how much was asked."""

from collections.abc import Sequence

import polars as pl

from persona_collapse.common.notation import PERCENT, listed
from persona_collapse.figures.look import Look
from persona_collapse.report.sections import LABELS

COLLAPSE, OPEN = "collapse", "undetermined"
MOST_TARGETS = 3  # more are counted together, or the sentence would not be one


def answer_of(verdicts: pl.DataFrame, look: Look) -> str:
    """Return the sentence, without a full stop: "Collapse in 2 of 4 models; not specific in 2".

    ``verdicts`` is ``verdict.csv``. Several targets are told apart by name, more than
    ``MOST_TARGETS`` counted as comparisons.
    """
    targets = [name for name in look.targets if name in verdicts["target"]]
    models = [model for model in look.models if model.key in verdicts["model"]]
    if len(models) == 1:
        return _of_one_model(verdicts, models[0].label)
    if 1 < len(targets) <= MOST_TARGETS:
        labels = [verdicts.filter(target=target)["label"].to_list() for target in targets]
        return "; ".join(
            f"{target}: {_of_target(own, '' if place else ' models')}"
            for place, (target, own) in enumerate(zip(targets, labels, strict=True))
        )
    unit = "models" if len(targets) == 1 else "comparisons"
    return _counted(verdicts["label"].to_list(), unit)


def _of_one_model(verdicts: pl.DataFrame, model: str) -> str:
    found: dict[str, list[str]] = {}
    for target, label in verdicts.select("target", "label").iter_rows():
        found.setdefault(label, []).append(target)
    if len(found) == 1:
        (label,) = found
        if label == COLLAPSE:
            return f"Collapse in {model}"
        shown = "Undetermined" if label == OPEN else "No collapse shown"
        return f"{shown} in {model}" + ("" if label == OPEN else f": {_name(label)}")
    parts = [f"{_name(label)} in {listed(found[label])}" for label in LABELS if label in found]
    return f"{model}: {'; '.join(parts)}"


def _of_target(labels: Sequence[str], unit: str) -> str:
    """Return how many of the labels say what, short enough to stand beside other targets."""
    counts = {label: labels.count(label) for label in LABELS if label in labels}
    total = len(labels)
    (first, most), *others = counts.items()
    if not others:
        return f"{_name(first)} in {'both' if total == 2 else f'all {total}'}{unit}"
    parts = [f"{_name(first)} in {most} of {total}{unit}"]
    return ", ".join([*parts, *(f"{_name(label)} in {count}" for label, count in others)])


def _counted(labels: Sequence[str], unit: str) -> str:
    """Return how many of the labels say what, collapse first."""
    counts = {label: labels.count(label) for label in LABELS if label in labels}
    total, collapsed = len(labels), counts.pop(COLLAPSE, 0)
    everywhere = f"in {'both' if total == 2 else f'all {total}'} {unit}"
    if not counts:
        return f"Collapse {everywhere}"
    if len(counts) == 1 and not collapsed:
        (label,) = counts
        said = LABELS[label] if label == OPEN else f"No collapse shown: {_name(label)}"
        return f"{said} {everywhere}"
    first = f"Collapse in {collapsed} of {total} {unit}"
    if not collapsed:
        first = f"No collapse shown in {total} {unit}"
    others = [f"{_name(label)} in {count}" for label, count in counts.items()]
    return f"{first}{'; ' if collapsed else ': '}{'; '.join(others)}"


def _name(label: str) -> str:
    return _lower(LABELS[label])


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def asked(quality: pl.DataFrame | None, look: Look) -> list[str]:
    """Return how much was asked: models and variants, answers, and how many have no rating."""
    if quality is None or quality.is_empty():
        return []
    models, pairs = quality["model"].n_unique(), quality.select("model", "variant").n_unique()
    each, rest = divmod(pairs, models)
    of = f"with {pairs} variants in all" if rest else f"× {each} variant{'s' if each > 1 else ''}"
    names = [model.label for model in look.models if model.key in quality["model"]]
    named = names[0] if len(names) == 1 else f"{models} models"
    expected, answered = (int(quality[name].sum()) for name in ("expected", "answered"))
    lacking = 100 * (1 - answered / expected) if expected else 0.0
    share = f"{lacking:.2g}{PERCENT} without a rating" if lacking else "every one with a rating"
    return [f"{named} {of}", f"{answered:,} answers", share]
