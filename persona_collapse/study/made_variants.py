"""Variants that say how they are made: their replicates, what is ordered, and what cannot be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from persona_collapse.common.errors import UserError, nearest

if TYPE_CHECKING:
    from persona_collapse.finetuning.datasets import Dataset
    from persona_collapse.study.load import Model, Study, Variant

FIRST_SEED = 1
MAKING_KEYS = ("poll_s", "settle_s")  # of an endpoint, about jobs alone
SETTLE_S, POLL_S, TIMEOUT_S = 30.0, 15.0, 60.0


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


def orders(study: Study) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what is ordered for every made variant, by model and variant, as plain values.

    Raises ``UserError`` for an unknown base, dataset or recipe, for a recipe that the endpoint
    cannot follow, and for two variants made in exactly the same way.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    ways: dict[str, tuple[str, str]] = {}
    for model in study.models.values():
        for variant in model.variants.values():
            if variant.finetune is None:
                continue
            order = _order(study, model, variant, variant.finetune)
            way = repr([order[name] for name in IDENTITY])
            if way in ways:
                other = ".".join(ways[way])
                raise UserError(
                    f"{study.path}: models.{model.key}.variants.{variant.name}.finetune: "
                    f"{other} is made in exactly the same way (base, data, recipe and seed); give "
                    "one of them another seed, or name one model for both"
                )
            ways[way] = (model.key, variant.name)
            found[model.key, variant.name] = order
    return found


# What of an order changes the model that comes out; the rest are names.
IDENTITY = ("base_url", "base", "git_blob", "hyperparameters", "seed", "attempt")


def identity(order: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of an order that change the model that comes out of it."""
    return {name: order[name] for name in IDENTITY}


def datasets_of(
    study: Study, found: Mapping[tuple[str, str], Mapping[str, Any]]
) -> dict[str, Dataset]:
    """Return the datasets of all orders and those they are held against, by name."""
    from persona_collapse.finetuning.datasets import find_dataset

    where = f"{study.path}: datasets"
    names = list(dict.fromkeys(str(order["dataset"]) for order in found.values()))
    known = {}
    for name in names:
        known[name] = find_dataset(name, study.datasets, where, study.path)
        partner = known[name].matched_with
        if partner is not None and partner not in names:
            names.append(partner)
    return known


def _order(study: Study, model: Model, variant: Variant, how: Finetune) -> dict[str, Any]:
    # Imported here: most studies make nothing, and plan without the catalogues.
    from persona_collapse.asking.settings import normalised_url
    from persona_collapse.finetuning.datasets import find_dataset
    from persona_collapse.finetuning.recipes import hyperparameters

    where = f"{study.path}: models.{model.key}.variants.{variant.name}.finetune"
    base = _base(model, variant, how, where)
    data = find_dataset(how.dataset, study.datasets, f"{where}.dataset", study.path)
    kind = variant.endpoint.kind
    simulated = kind == "simulated"
    url = "simulated" if simulated else normalised_url(variant.endpoint.settings["base_url"])
    return {
        "model": model.key,
        "variant": variant.name,
        "backend": kind,
        "base_url": url,
        "base": model.key if simulated else base.settings["model"],
        "dataset": how.dataset,
        "git_blob": data.git_blob,
        "recipe": how.recipe,
        "hyperparameters": hyperparameters(how.recipe, kind, f"{where}.recipe"),
        "seed": how.seed,
        "attempt": how.attempt,
    }


def _base(model: Model, variant: Variant, how: Finetune, where: str) -> Variant:
    others = [name for name, other in model.variants.items() if other.finetune is None]
    if how.base not in others:
        raise UserError(
            f"{where}.from: the model has no variant {how.base!r} to start from"
            f"{nearest(how.base, others)}; it has: {', '.join(others) or 'none'}"
        )
    base = model.variants[how.base]
    if base.endpoint != variant.endpoint:
        raise UserError(
            f"{where}.from: {how.base!r} is answered by the endpoint {base.endpoint.name!r}, this "
            f"variant is made on {variant.endpoint.name!r}; both must be one endpoint"
        )
    return base
