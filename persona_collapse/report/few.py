"""Mark numbers that rest on few personas, or on incoherent replies, wherever they are printed."""

import polars as pl

from persona_collapse.report.printed import OVERALL, PrintedTable
from persona_collapse.tables.contracts.influence import FEW, FEW_SIGN
from persona_collapse.tables.contracts.verdict import INCOHERENT

INCOHERENT_SIGN = "§"
FEW_MARK = {"few": FEW_SIGN}  # for columns of frames that ``with_few`` returns
LEGEND = {
    FEW_SIGN: f"{FEW_SIGN} Fewer than {FEW} effective personas: its interval rests on few.",
    INCOHERENT_SIGN: f"{INCOHERENT_SIGN} Mean coherence below {INCOHERENT}: replies are mostly "
    "incoherent.",
}


def with_few(frame: pl.DataFrame, influence: pl.DataFrame | None) -> pl.DataFrame:
    """Return the rows of a table with a column ``few``: whether their S rests on few personas.

    ``influence`` is ``influence.csv``. Rows of single variants are marked by S of the variant,
    contrasts by that contrast of S; rows of single domains, of R and of means over models are not.
    A table without domains is over all items.
    """
    keys = ["model", "probe", "contrast" if "contrast" in frame.columns else "variant"]
    keys += [name for name in ("domain", "metric") if name in frame.columns]
    if influence is None or any(key not in frame.columns for key in keys):
        return frame
    few = influence.filter(pl.col("effective_personas") < FEW).with_columns(
        domain=pl.lit(OVERALL), metric=pl.lit("S"), few=pl.lit(value=True)
    )
    single = few.filter(quantity="S")
    few = few.rename({"quantity": "contrast"}) if "contrast" in keys else single
    marked = frame.join(few.select(*keys, "few"), on=keys, how="left", maintain_order="left")
    return marked.with_columns(pl.col("few").fill_null(value=False))


def with_few_changes(verdicts: pl.DataFrame, influence: pl.DataFrame) -> pl.DataFrame:
    """Return verdicts with ``few_S_target``, ``few_S_direct``, ``few_S_control``.

    They mark changes of S of target against baseline, target against control, and control against
    baseline that rest on few personas. ``influence`` holds the rows of the role-play probe.
    """
    marked = influence.filter(pl.col("effective_personas") < FEW)
    few = set(marked.select("model", "quantity").rows())
    pairs = {"target": ("target", "baseline"), "direct": ("target", "control")}
    pairs["control"] = ("control", "baseline")
    rows = verdicts.to_dicts()
    return verdicts.with_columns(
        pl.Series(
            f"few_S_{name}",
            [(row["model"], f"{row[first]}-{row[second]}") in few for row in rows],
            dtype=pl.Boolean,
        )
        for name, (first, second) in pairs.items()
    )


def legend_of(table: PrintedTable) -> list[str]:
    """Return what the signs in a table mean."""
    used = {sign for row in table.rows for cell in row for sign in cell.mark}
    return [meaning for sign, meaning in LEGEND.items() if sign in used]
