"""The claims of a paper as a file: what each says, and the numbers of a study that decide it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

from persona_collapse.common.faults import read_document
from persona_collapse.common.keys import Keys, Limits, Text, key
from persona_collapse.materials.instruments import Fault

TableName = Literal[
    "metrics", "contrasts", "summary", "band", "profiles",
    "diagnostics", "toxic", "quality", "coherence_loss",
]  # fmt: skip
TABLES: tuple[str, ...] = get_args(TableName)  # that conditions can read
Where = dict[str, str]


@dataclass(frozen=True)
class Condition(Keys):
    """One number per model, and where its 95 % interval has to lie."""

    table: TableName = key("a table of the study")
    where: Where = key("the values of columns that name the row; the model is named by `models`")
    models: Annotated[dict[str, float | None], Limits(min_length=1)] = key(
        "the printed number of each model, by its label (null if none is); `mean` is the average"
    )
    column: Text = key("the number's column, whose interval is in `<column>_lo` and `_hi`", "value")
    minus: Where | None = key(
        "values of columns of a second row, whose number is subtracted; a value that ends in * "
        "stands for the row of the smallest number",
        None,
    )
    per: str | None = key("a column that the number is divided by", None)
    above: float | None = key("the interval lies above this", None)
    below: float | None = key("the interval lies below this", None)
    within: Annotated[tuple[float, ...], Limits(min_length=2)] | None = key(
        "the interval lies between these two", None
    )
    limit_se: float = key("the standard error of that limit, where it is an estimate", 0.0)
    unit: str = key("the unit of the number", "")


@dataclass(frozen=True)
class Claim(Keys):
    """One claim in words, with the conditions under which it holds."""

    section: Text = key("where the paper states it")
    text: Text = key("the claim in words of our own")
    conditions: Annotated[tuple[Condition, ...], Limits(min_length=1)] = key(
        "all of them have to be met"
    )
    note: str = key("what to know of the comparison", "")


@dataclass(frozen=True)
class Claims(Keys):
    """The claims of a paper and the table of its numbers."""

    source: Text = key("the paper")
    models: tuple[Text, ...] = key("the labels of its models")
    numbers: Text = key("the CSV of its printed numbers, in the folder of this file")
    claims: Annotated[dict[str, Claim], Limits(min_length=1)] = key("the claims, by a short name")

    def faults(self) -> Iterator[Fault]:
        """Yield conditions without a limit or with several, and models that the paper lacks."""
        for name, claim in self.claims.items():
            for place, condition in enumerate(claim.conditions):
                at = ("claims", name, "conditions", place)
                limits = [condition.above, condition.below, condition.within]
                if sum(limit is not None for limit in limits) != 1:
                    yield at, "expected one of the keys 'above', 'below' and 'within'"
                for model in condition.models:
                    if model != "mean" and model not in self.models:
                        yield at, f"{model!r} is not one of the paper's models"


def read_claims(path: Path) -> Claims:
    """Read and check a file of claims; raise ``UserError`` with the place of any fault."""
    return read_document(path, Claims)
