"""A verdict in words: what each contrast shows, and what limits it.

A sentence claims a direction only where the 95 % interval of its contrast shows it, and sameness
only where equivalence within the smallest effect is shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log1p
from typing import Any

import polars as pl

from persona_collapse.common.notation import MINUS, listed
from persona_collapse.measures.cells import OVERALL
from persona_collapse.measures.verdict.rule import Interval
from persona_collapse.measures.verdict.table import METRICS, Row, Rows, interval_of
from persona_collapse.tables.contracts.influence import FEW
from persona_collapse.tables.contracts.verdict import INCOHERENT

DRIVING = 0.5  # domains are named until they carry this share of a change
SIGNS = {"S": 1, "R": -1}  # the direction in which S and R move in a collapse
MIXED = (
    "Different servers answered for the variants of this model, so a difference may come from the "
    "server instead of the training."
)
SIMULATED = "These are simulated respondents: this says nothing about a real model."


@dataclass(frozen=True)
class Words:
    """A verdict in words: what a reader must know, and the numbers in further sentences."""

    summary: Sequence[str]  # the reason first
    details: Sequence[str]


def words_of(
    row: Row,
    rows: Rows,
    replicates: Sequence[str] = (),
    drivers: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    novelty: pl.DataFrame | None = None,
    others: Sequence[str] = (),
) -> Words:
    """Return a verdict in words.

    ``row`` is the verdict's row of ``verdict.csv``, ``rows`` are the model's contrasts,
    ``replicates`` sentences about these, ``drivers`` the domains' shares of the changes of S and
    sigma_bar (``drivers_of``), ``novelty`` the rows of ``novelty.csv`` of a model of single
    fine-tunes, ``others`` sentences on specifications and band.
    """
    summary = [row["reason"], *_limits(row), *_recognised(row), *novelty_sentences(row, novelty)]
    details = [*_changes(row, rows), *replicates, *_drivers(row, rows, drivers or {}), *others]
    return Words(summary, details + ([SIMULATED] if row["simulated"] else []))


def _changes(row: Row, rows: Rows) -> list[str]:
    """Return a sentence for each contrast of the verdict."""
    target, control, baseline = (row[role] for role in ("target", "control", "baseline"))
    effect = row["smallest_effect"]
    found = [
        f"From {baseline} to {target}, {_change(rows, target, baseline, effect)} (95 % intervals)."
    ]
    if control is None:
        return found
    found.append(
        f"From {baseline} to the control {control}, {_change(rows, control, baseline, effect)}; "
        f"{_equivalence(row)}."
    )
    found.append(f"Compared with {control}, {_difference(rows, target, control, effect)}.")
    return found


def _change(rows: Rows, first: str, second: str, effect: float) -> str:
    verbs = {1: "rose by {}", -1: "fell by {}", 0: "is not shown to change"}
    return _both(rows, f"{first}-{second}", effect, verbs, "changed by less than {}")


def _difference(rows: Rows, first: str, second: str, effect: float) -> str:
    verbs = {1: "is {} higher", -1: "is {} lower", 0: "is not shown to differ"}
    return f"{first}: " + _both(rows, f"{first}-{second}", effect, verbs, "differs by less than {}")


def _both(rows: Rows, contrast: str, effect: float, verbs: Mapping[int, str], same: str) -> str:
    return " and ".join(_one(rows, contrast, m, effect, verbs, same) for m in METRICS)


def _one(
    rows: Rows, contrast: str, metric: str, effect: float, verbs: Mapping[int, str], same: str
) -> str:
    """Return what one contrast shows of one metric, with its numbers."""
    interval = interval_of(rows, contrast, metric)
    if interval is None:
        return f"{metric} cannot be compared"
    sign = sign_of(interval)
    row = rows[contrast, metric, OVERALL]
    percent, lo, hi = (row[f"percent{end}"] for end in ("", "_lo", "_hi"))
    if percent is None or lo is None or hi is None:
        return f"{metric} {verbs[sign].format('an undefined percentage')}"
    if sign:
        near, far = (lo, hi) if sign > 0 else (-hi, -lo)
        shown = verbs[sign].format(f"{_number(abs(percent))} %")
        return f"{metric} {shown} [{_number(near)}, {_number(far)}]"
    alike = interval.within(log1p(effect))
    shown = same.format(f"{100 * effect:.3g} %") if alike else verbs[0]
    return f"{metric} {shown} ({_number(percent, True)} % [{_number(lo)}, {_number(hi)}])"


def sign_of(interval: Interval) -> int:
    """Return the direction that an interval shows: 1 up, -1 down, 0 none."""
    return 1 if interval.lo > 0 else -1 if interval.hi < 0 else 0


def _number(percent: float, signed: bool = False) -> str:
    """Return a percentage as a whole number, with a digit where that would be 0."""
    digits = "0f" if abs(percent) >= 0.5 or percent == 0 else "1g"
    return f"{percent:{'+' if signed else ''}.{digits}}".replace("-", MINUS)


def _equivalence(row: Row) -> str:
    """Return for which metrics the control is shown equivalent to the baseline."""
    shown = [metric for metric in METRICS if row[f"{metric}_control_equivalent"]]
    margin = f"equivalence within {100 * row['smallest_effect']:.3g} % (TOST)"
    if not shown:
        return f"{margin} is not shown"
    return f"{margin} is shown" + ("" if len(shown) == len(METRICS) else f" for {shown[0]} alone")


def _limits(row: Row) -> list[str]:
    """Return sentences on mixed servers, few effective personas, and incoherent replies."""
    found = [MIXED] if row["mixed_backends"] else []
    few = [
        f"{row[role]} on {number:.1f}"
        for role in ("target", "control")
        if (number := row[f"effective_personas_{role}"]) is not None and number < FEW
    ]
    if few and row["unseen_share"] is not None:
        found.append(
            f"S rests on few personas: that of {' and that of '.join(few)} effective personas of "
            f"{row['n_personas']}. A kind of persona that makes up to "
            f"{100 * row['unseen_share']:.1f} % of the population may be missing from this sample "
            "(95 % confidence), and could change S."
        )
    found += [
        f"Replies of {row[role]} to open questions are mostly incoherent (mean coherence "
        f"{coherence:.0f} of 100)."
        for role in ("target", "control")
        if (coherence := row[f"coherence_{role}"]) is not None and coherence < INCOHERENT
    ]
    return found


def _recognised(row: Row) -> list[str]:
    shares = [
        f"{100 * share:.0f} % under {row[role]}"
        for role in ("control", "target")
        if (share := row[f"recognised_{role}"]) is not None
    ]
    if not shares or row["recognised_chance"] is None:
        return []
    return [
        f"Of {row['n_personas']} personas, {' and '.join(shares)} are recognised by their profile "
        f"under {row['baseline']} (guessing: {100 * row['recognised_chance']:.2g} %)."
    ]


def novelty_sentences(row: Row, novelty: pl.DataFrame | None) -> list[str]:
    """Return how much of a model's persona variance is the baseline's, and how much is new.

    ``row`` is a row of ``verdict.csv``, ``novelty`` the model's rows of ``novelty.csv``; no
    sentence without them.
    """
    parts = []
    for variant in filter(None, (row["target"], row["control"])):
        found = (
            [] if novelty is None else novelty.filter(variant=variant, domain=OVERALL).to_dicts()
        )
        for own in found:
            if all(own[f"{name}_lo"] is not None for name in ("kept", "new")):
                kept, new = (
                    f"{100 * own[name]:z.0f} % [{100 * own[f'{name}_lo']:z.0f}, "
                    f"{100 * own[f'{name}_hi']:z.0f}]"
                    for name in ("kept", "new")
                )
                parts.append(f"under {variant} {kept} is kept and {new} is new")
    if not parts:
        return []
    return [
        f"Of the variance between personas, in percent of that of {row['baseline']}: "
        f"{'; '.join(parts)}."
    ]


def specification_facts(
    multiverse: pl.DataFrame | None, model: str, target: str
) -> tuple[dict[str, int] | None, list[str]]:
    """Return in how many specifications of the analysis a verdict stands, as numbers and words.

    None and no sentence without rows of ``multiverse.csv``.
    """
    if multiverse is None:
        return None, []
    distinct = multiverse.filter("distinct", model=model, target=target)
    if distinct.height < 2:
        return None, []
    same = int(distinct["same_label"].sum())
    of_definition = distinct.group_by("definition", maintain_order=True)
    never = of_definition.agg(pl.col("same_label").any()).filter(~pl.col("same_label"))
    without = [str(name).replace("_", " ") for name in never["definition"]]
    sentence = (
        f"The verdict stands in {same} of {distinct.height} specifications of the analysis"
        + (f", and in none that defines S and R by {listed(without, 'or')}" if without else "")
        + "."
    )
    return {"same": same, "of": distinct.height}, [sentence]


def replicate_facts(
    row: Row, names: Mapping[str, Sequence[str]], rows: Rows, metrics: pl.DataFrame
) -> tuple[dict[str, Any], list[str]]:
    """Return facts and sentences about a model's replicates; both are empty without any.

    ``names`` lists the model's replicates by variant, ``metrics`` holds its rows of
    ``metrics.csv``. Facts per variant: ``n``, the number of replicates with S above and with R
    below the baseline's mean, and ``p`` of both.
    """
    baseline = row["baseline"]
    own = metrics.filter(domain=OVERALL)
    base = own.filter(pl.col("variant").is_in(list(names.get(baseline, [baseline]))))
    facts: dict[str, Any] = {}
    sentences = []
    for variant in (row["target"], row["control"]):
        listed = own.filter(pl.col("variant").is_in(list(names.get(variant, ()))))
        if listed.height < 2:
            continue
        fact: dict[str, Any] = {"n": listed.height, "p": {}}
        for metric, name in (("S", "S_up"), ("R", "R_down")):
            fact[name] = _count_moved(listed[metric], base[metric], SIGNS[metric])
            contrast = rows.get((f"{variant}-{baseline}", metric, OVERALL), {})
            fact["p"][metric] = contrast.get("p")
        facts[variant] = fact
        sentences.append(_replicate_sentence(variant, baseline, fact))
    if any(fact["n"] == 2 for fact in facts.values()):
        sentences.append("Two fine-tunes say little about a third, so intervals are wide.")
    return facts, sentences


def _count_moved(values: pl.Series, base: pl.Series, sign: int) -> int | None:
    """Return how many replicates lie on this side of the baseline's mean; None without one."""
    middle = base.mean()
    return int((sign * (values - middle) > 0).sum()) if isinstance(middle, float) else None


def _replicate_sentence(variant: str, baseline: str, fact: Mapping[str, Any]) -> str:
    text = (
        f"{variant} has {fact['n']} replicate fine-tunes: its numbers are means over them, and "
        "intervals include their spread"
    )
    if fact["S_up"] is None:
        return f"{text}."
    text += f"; S is above {baseline} in {fact['S_up']} and R below it in {fact['R_down']} of them"
    tested = [f"p = {p:.2g} for {metric}" for metric, p in fact["p"].items() if p]
    return f"{text} (for other seeds: {', '.join(tested)})." if tested else f"{text}."


def drivers_of(
    rows: Rows, contrast: str, metric: str, n_items: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Return the domains' shares of a measured change of S or sigma_bar, largest first.

    Both are means over items, so the change is the sum of the domains' changes weighted by
    their numbers of items. A share is negative where a domain moved in the other direction.
    """
    parts = {
        domain: rows[contrast, metric, domain]["estimate"] * items
        for domain, items in n_items.items()
        if (contrast, metric, domain) in rows
        and rows[contrast, metric, domain]["estimate"] is not None
    }
    total = sum(parts.values())
    if not total:
        return []
    ordered = sorted(parts.items(), key=lambda part: -part[1] / total)
    return [{"domain": name, "share": part / total} for name, part in ordered]


def _drivers(row: Row, rows: Rows, drivers: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """Return which domains carry each change that is shown."""
    sentences = []
    for metric, key in (("S", "S"), ("R", "sigma_bar")):
        interval = interval_of(rows, f"{row['target']}-{row['baseline']}", metric)
        if interval is None or not sign_of(interval) or len(drivers.get(key, ())) < 2:
            continue
        named, carried = [], 0.0
        for driver in drivers[key]:
            named.append(f"{driver['domain']} ({100 * driver['share']:.0f} %)")
            carried += driver["share"]
            if carried >= DRIVING:
                break
        change = "S" if metric == "S" else "1/R"
        sentences.append(f"The measured change of {change} lies mostly in {listed(named)}.")
    return sentences
