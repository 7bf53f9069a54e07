"""Read ratings out of fields: numbers, words, texts with several answers, probabilities."""

import re

import polars as pl

from persona_collapse.answers import LEAST_MASS
from persona_collapse.common.errors import UserError, nearest
from persona_collapse.layouts.choosing import as_text, need
from persona_collapse.layouts.keys import RATING, Layout
from persona_collapse.layouts.matching import plain
from persona_collapse.layouts.tables import FILE, ROW, Records, texts
from persona_collapse.materials.instruments import Scale

# What is read, under names that no file has.
READ, MEAN, SHARES, MASS = "\trating", "\tmean", "\tprobabilities", "\tmass"
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
COMMA = re.compile(r"[+-]?\d*,\d+")
ROUNDED_SUM = 0.02  # of values with two decimals
ROUNDING = 1e-6  # log-probabilities and sums of probabilities are rounded where they are written


class Fields:
    """How one layout's fields become ratings.

    A word is looked up in ``layout.values``; numbers count as they are; ``layout.missing`` and
    empty fields are no rating.
    """

    def __init__(self, layout: Layout, scale: Scale, decimal_comma: bool) -> None:
        self.scale, self.means = scale, layout.rating == "mean"
        self.words = {
            plain(word): value if value is None else float(value)
            for word, value in (layout.values or {}).items()
        }
        self.missing = {as_text(text).strip().casefold() for text in layout.missing} | {""}
        self.decimal_comma = decimal_comma

    def rating(self, text: str) -> tuple[float | None, str | None]:
        """Return a field's rating, None where it is missing, and what is wrong with it, if so."""
        bare = text.strip()
        if bare.casefold() in self.missing:
            return None, None
        if plain(bare) in self.words:
            value = self.words[plain(bare)]
            return (None, None) if value is None else self._on_scale(value)
        if self.decimal_comma and COMMA.fullmatch(bare):
            bare = bare.replace(",", ".")
        if not NUMBER.fullmatch(bare):
            if self.words:
                hint = nearest(plain(bare), self.words)
                return None, f"is none of the words of layout.values{hint}"
            return None, (
                "is no number; layout.values gives words their ratings, and layout.missing lists "
                "what stands for no rating"
            )
        value = float(bare)
        if as_text(value).casefold() in self.missing:
            return None, None
        return self._on_scale(value)

    def _on_scale(self, value: float) -> tuple[float | None, str | None]:
        low, high = self.scale.minimum, self.scale.maximum
        if not low <= value <= high:
            return None, (
                f"is outside the scale ({low} to {high}); layout.missing lists what stands for no "
                "rating"
            )
        if value != int(value) and not self.means:
            return None, "is not an integer; if ratings are means, say layout.rating: mean"
        return value, None

    def read(self, rows: pl.DataFrame, records: Records, column: str) -> pl.DataFrame:
        """Add the ratings of the fields of ``column``, null for none, as the column ``READ``.

        Raises ``UserError`` with the row of the first field that is no rating.
        """
        shown = texts(rows[column]).fill_null("")
        fields = shown.unique()
        found = {field: self.rating(field) for field in fields}
        wrong = {field: fault for field, (_, fault) in found.items() if fault is not None}
        if wrong:
            at = rows.with_columns(shown.alias("\tshown")).filter(
                pl.col("\tshown").is_in(list(wrong))
            )
            first = at.sort(FILE, ROW).row(0, named=True)
            field = first["\tshown"]
            more = f" (and {at.height - 1} more rows)" if at.height > 1 else ""
            raise UserError(
                f"{records.place(first[FILE], first[ROW])}: {column} is {field[:60]!r}, which "
                f"{wrong[field]}{more}"
            )
        values = [value for value, _ in found.values()]
        ratings = shown.replace_strict(list(found), values, return_dtype=pl.Float64)
        return rows.with_columns(ratings.alias(READ))


def answers_in(
    rows: pl.DataFrame, column: str, layout: Layout, records: Records
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Return one row per answer that ``layout.answers`` finds in the texts of ``column``.

    With two groups the first is the item, column ``item``; the last is the rating, which takes the
    text's place. With one group, a text without an answer has no rating. With two, its items are
    unknown: such texts are refused, or left out and returned with their counts where the layout
    says so. Raises ``UserError`` where no text has any.
    """
    pattern = layout.answers or ""
    groups = re.compile(pattern).groups
    try:
        found = rows.with_columns(
            texts(rows[column]).fill_null("").str.extract_all(pattern).alias("\tfound")
        )
    except pl.exceptions.PolarsError as fault:
        reason = str(fault).splitlines()[0]
        raise UserError(f"layout.answers: {pattern!r} cannot be used: {reason}") from None
    hits = pl.col("\tfound")
    none = pl.lit([None], pl.List(pl.String))
    found = found.with_columns(pl.when(hits.list.len() > 0).then(hits).otherwise(none))
    found = found.explode("\tfound")
    has_none = found["\tfound"].is_null()
    if has_none.all():
        raise UserError(
            f"{records.paths[0]}: layout.answers: {pattern!r} finds no answer in any text of the "
            f"column {column!r}; the first is {str(rows[column][0])[:60]!r}"
        )
    silent = found.filter(has_none)
    dropped: dict[str, int] = {}
    text = pl.col("\tfound")
    if groups == 2:
        if silent.height and layout.unmatched == "refuse":
            first = silent.row(0, named=True)
            raise UserError(
                f"{records.place(first[FILE], first[ROW])}: layout.answers: {pattern!r} finds no "
                f"answer in {silent.height} of {rows.height} texts of the column {column!r}, here "
                f"{str(first[column])[:60]!r}; correct the pattern, or leave them out with "
                "layout.unmatched: drop"
            )
        said = texts(silent[column]).fill_null("")
        dropped = dict(silent.group_by(said, maintain_order=True).len().iter_rows())
        found = found.filter(~has_none).with_columns(text.str.extract(pattern, 1).alias("\titem"))
    rating = text.str.extract(pattern, groups)
    return found.with_columns(rating.alias(column)).drop("\tfound"), dropped


def probabilities_in(
    rows: pl.DataFrame, template: str, scale: Scale, records: Records, logarithms: bool
) -> pl.DataFrame:
    """Add probabilities (``SHARES``: a list per rating, sums to 1) and their sum before (``MASS``).

    Columns are ``template`` with each rating. Empty ones have probability 0. A row without any has
    null in both, and one whose sum is below ``LEAST_MASS`` has no probabilities: the model would
    rather have said something else. Raises ``UserError`` for a rating without a column, for
    impossible values and for sums above 1.
    """
    key = "layout.log_probabilities" if logarithms else "layout.probabilities"
    names = [template.replace(RATING, str(rating)) for rating in scale.ratings]
    for name, rating in zip(names, scale.ratings, strict=True):
        if name not in rows.columns:
            raise UserError(
                f"{records.paths[0]}: {key}: the scale is {scale.minimum} to {scale.maximum}, and "
                f"there is no column {name!r}{nearest(name, rows.columns)} for the rating {rating}"
            )
        need(name, records, key)
    numbers = rows.select(FILE, ROW, *(_number(rows[name]).alias(name) for name in names))
    for name in names:
        _refuse_impossible(rows[name], numbers, name, records, logarithms)
    parts = [pl.col(name).exp() if logarithms else pl.col(name) for name in names]
    weights = numbers.select(
        part.fill_null(0.0).alias(n) for n, part in zip(names, parts, strict=True)
    )
    none = numbers.select(pl.all_horizontal(pl.col(names).is_null())).to_series()
    mass = weights.select(pl.sum_horizontal(names)).to_series()
    if (mass > 1 + ROUNDED_SUM).any():
        at = numbers.filter(mass > 1 + ROUNDED_SUM).row(0, named=True)
        total = mass.filter(mass > 1 + ROUNDED_SUM)[0]
        hint = "are they natural logarithms?" if logarithms else "are they probabilities?"
        raise UserError(
            f"{records.place(at[FILE], at[ROW])}: {key}: the ratings' probabilities sum to "
            f"{total:.3g}, more than 1; {hint}"
        )
    shares = weights.select(pl.concat_list(pl.col(names) / mass)).to_series()
    return rows.with_columns(
        pl.select(pl.when(~none & (mass >= LEAST_MASS)).then(shares)).to_series().alias(SHARES),
        pl.select(pl.when(~none).then(mass)).to_series().alias(MASS),
    )


def _number(column: pl.Series) -> pl.Series:
    if column.dtype.is_numeric():
        return column.cast(pl.Float64).fill_nan(None)
    return texts(column).str.strip_chars().cast(pl.Float64, strict=False).fill_nan(None)


def _refuse_impossible(
    fields: pl.Series, numbers: pl.DataFrame, name: str, records: Records, logarithms: bool
) -> None:
    value = pl.col(name)
    empty = texts(fields).str.strip_chars().str.to_lowercase().fill_null("")
    unread = numbers[name].is_null() & ~empty.is_in(["", "na", "nan", "none", "null"])
    high = 0.0 if logarithms else 1.0
    wrong = unread | numbers.select(
        (value > high + ROUNDING) | (value < 0 if not logarithms else False)
    ).to_series().fill_null(False)
    if wrong.any():
        first = numbers.filter(wrong).row(0, named=True)
        shown = fields.filter(wrong)[0]
        what = "a log-probability (at most 0)" if logarithms else "a probability (0 to 1)"
        raise UserError(
            f"{records.place(first[FILE], first[ROW])}: {name} is {shown!r}, not {what}"
        )
