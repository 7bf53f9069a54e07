"""Response style: extreme and midpoint responding, and which of their changes are no opinion."""

import numpy as np
import polars as pl

from persona_collapse.materials.instruments import Instrument
from persona_collapse.measures.cells import (
    OVERALL,
    Array,
    Cells,
    cells_from_moments,
    shared_personas,
    unit_of,
)
from persona_collapse.measures.diagnostics.rows import draws_of_personas, with_ends
from persona_collapse.measures.diagnostics.scale_use import shares_of
from persona_collapse.tables.contracts.response_style import TABLE

# Acquiescence is agreement with opposite items alike; no instrument says which are opposite.
STYLES = ("extreme", "midpoint", "acquiescence")


def response_style_of(
    moments: pl.DataFrame,
    instrument: Instrument,
    baseline: pl.DataFrame | None,
    seed: int,
    draws: int,
) -> pl.DataFrame:
    """Return the rows of ``response_style.csv`` of one model x variant x probe.

    Changes are of the personas that variant and baseline share. Intervals redraw personas, the same
    for both. Undefined values are null.
    """
    cells = cells_from_moments(moments, instrument)
    names = unit_of(moments)
    rows = {style: {**names, "style": style} for style in STYLES}
    if cells.persona_ids.size:
        shares, _, _ = _styles(cells, draws_of_personas(cells, seed, names["probe"], draws))
        for style, share in shares.items():
            rows[style] |= with_ends("share", share)
    if baseline is not None:
        base, other = shared_personas(cells_from_moments(baseline, instrument), cells)
        if other.persona_ids.size:
            weights = draws_of_personas(other, seed, names["probe"], draws)
            for style, parts in _changes(base, other, weights).items():
                for name, part in parts.items():
                    rows[style] |= with_ends(name, part)
    return TABLE.frame(list(rows.values()))


def _styles(cells: Cells, weights: Array) -> tuple[dict[str, Array], Array, Array]:
    """Return shares of answers by style and, for ``_changes``, by domain and side of the scale.

    With an odd number of ratings half of the middle one counts on either side; the midpoint is the
    middle rating or the two middle ones. ``weights`` (B, P) are of personas.

    Returns:
        By style its share of all answers (B,); the share of all answers in each domain and side
        (B, D, 2); and, by style, that of those that are of the style (2, B, D, 2).
    """
    shares = shares_of(cells)
    personas, _, ratings = shares.shape
    place = np.arange(ratings)
    side = np.stack([place < ratings // 2, place >= ratings - ratings // 2], axis=1).astype(float)
    side[side.sum(axis=1) == 0] = 0.5
    extreme = np.isin(place, (0, ratings - 1))
    midpoint = np.isin(place, ((ratings - 1) // 2, ratings // 2))
    columns = np.concatenate([side, side * extreme[:, None], side * midpoint[:, None]], axis=1)
    domains = [items for name, items in cells.groups().items() if name != OVERALL]
    parts = np.stack([(shares[:, items] @ columns).sum(axis=1) for items in domains], axis=1)
    parts = parts.reshape(personas, -1) / cells.item_ids.size
    drawn = (weights @ parts / weights.sum(axis=1, keepdims=True)).reshape(-1, len(domains), 6)
    on_side, *of_style = np.split(drawn, 3, axis=2)
    found = {style: part.sum(axis=(1, 2)) for style, part in zip(STYLES, of_style, strict=False)}
    return found, on_side, np.stack(of_style)


def _changes(base: Cells, other: Cells, weights: Array) -> dict[str, dict[str, Array]]:
    """Return the change of each style, and its parts by style and by content, (B,) each.

    Kitagawa's (1955) decomposition over domains and sides of the scale. With w the share of answers
    on a side and r the share of those that are of the style, w'r' - wr is (w + w') / 2 x (r' - r),
    style, plus (r + r') / 2 x (w' - w), content. A side that one variant never uses has the other's
    rate there, so that its whole change is content.
    """
    before, side, of_side = _styles(base, weights)
    after, side_after, of_side_after = _styles(other, weights)
    rates = []
    for part, whole in ((of_side, side), (of_side_after, side_after)):
        undefined = np.full(part.shape, np.nan)
        rates.append(np.divide(part, whole, out=undefined, where=whole > 1e-12))
    rate, rate_after = (
        np.nan_to_num(np.where(np.isnan(one), two, one)) for one, two in (rates, rates[::-1])
    )
    by_style = ((side + side_after) / 2 * (rate_after - rate)).sum(axis=(2, 3))
    by_content = ((rate + rate_after) / 2 * (side_after - side)).sum(axis=(2, 3))
    return {
        style: {
            "change": after[style] - before[style],
            "change_style": by_style[place],
            "change_content": by_content[place],
        }
        for place, style in enumerate(before)
    }
