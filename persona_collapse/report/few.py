"""Mark numbers that rest on few personas, or on incoherent replies, wherever they are printed."""

import polars as pl

from persona_collapse.report.printed import OVERALL, PrintedTable
from persona_collapse.tables.contracts.influence import FEW, FEW_SIGN
from persona_collapse.tables.contracts.verdict import INCOHERENT

INCOHERENT_SIGN = "§"
FEW_MARK = {"few": FEW_SIGN}  # for columns of frames that ``with_few`` returns
LEGEND = {
    FEW_SIGN: f"{FEW_SIGN} Fewer than {FEW} effective personas: the interval rests on few people.",
    INCOHERENT_SIGN: f"{INCOHERENT_SIGN} Mean coherence below {INCOHERENT}: replies are mostly "
    "incoherent.",
}


def with_few(frame: pl.DataFrame, influence: pl.DataFrame | None) -> pl.DataFrame:
    """Return the rows of a table with a column ``few``: whether their S rests on few personas.

    ``influence`` is ``influence.csv``. Rows of single variants are marked by S of the variant,
    contrasts by that contrast of S; rows of single domains, of R and of means over models are not.
    """
    keys = ["model", "probe", "domain"]
    keys += ["contrast", "metric"] if "contrast" in frame.columns else ["variant"]
    if influence is None or any(key not in frame.columns for key in keys):
        return frame
    few = influence.filter(pl.col("effective_personas") < FEW).with_columns(
        domain=pl.lit(OVERALL), metric=pl.lit("S"), few=pl.lit(value=True)
    )
    single = few.filter(quantity="S")
    few = few.rename({"quantity": "contrast"}) if "contrast" in keys else single
    marked = frame.join(few.select(*keys, "few"), on=keys, how="left", maintain_order="left")
    return marked.with_columns(pl.col("few").fill_null(value=False))


def legend_of(table: PrintedTable) -> list[str]:
    """Return what the signs in a table mean."""
    used = {sign for row in table.rows for cell in row for sign in cell.mark}
    return [meaning for sign, meaning in LEGEND.items() if sign in used]
