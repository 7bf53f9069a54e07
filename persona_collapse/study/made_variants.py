"""Variants that say how they are made: their replicates, and what cannot be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from persona_collapse.common.errors import UserError, nearest

FIRST_SEED = 1


@dataclass(frozen=True)
class Finetune:
    """How a variant is made: from which variant of its model, on which data, by which recipe.

    ``attempt`` above 1 orders it once more, after a job that failed.
    """

    base: str
    dataset: str
    recipe: str
    seed: int
    attempt: int


def replicates(
    name: str, settings: Mapping[str, Any], where: str, taken: Mapping[str, Any]
) -> Iterator[tuple[str, Finetune | None, int]]:
    """Yield the variants that an entry of a study stands for: name, how it is made, its number.

    ``n_seeds: 3`` makes three: the first keeps the name, the others are called ``<name>-r2``,
    ``<name>-r3``; each has the next seed. Raises ``UserError`` where such a name is taken.
    """
    given = settings.get("finetune")
    if given is None:
        yield name, None, 1
        return
    count = given.get("n_seeds", 1)
    names = [name, *(f"{name}-r{number}" for number in range(2, count + 1))]
    attempts = given.get("attempt", 1)
    if isinstance(attempts, dict):
        for other in attempts:
            if other not in names:
                raise UserError(
                    f"{where}.finetune.attempt: {other!r} is no replicate of this variant"
                    f"{nearest(other, names)}; it has: {', '.join(names)}"
                )
    for number, made in enumerate(names, start=1):
        if number > 1 and made in taken:
            raise UserError(
                f"{where}.finetune.n_seeds: the name of replicate {number}, {made!r}, is that of "
                "another variant; rename that one"
            )
        attempt = attempts.get(made, 1) if isinstance(attempts, dict) else attempts
        seed = given.get("seed", FIRST_SEED) + number - 1
        yield (
            made,
            Finetune(given["from"], given["dataset"], given["recipe"], seed, attempt),
            number,
        )


def check_one_way(settings: Mapping[str, Any], kind: str, where: str) -> None:
    """Refuse a variant that names its model and says how to make it, or neither."""
    if kind != "openai":
        return
    if "model" in settings and "finetune" in settings:
        raise UserError(
            f"{where}: either the key 'model' (the name on the server) or 'finetune' (how it is "
            "made), not both"
        )
    if "model" not in settings and "finetune" not in settings:
        raise UserError(
            f"{where}: the key 'model' is missing (the name on the server), or 'finetune' (how it "
            "is made)"
        )
