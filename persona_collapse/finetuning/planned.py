"""What a study orders: one fine-tune for each variant that it makes, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from persona_collapse.asking.settings import normalised_url
from persona_collapse.common.errors import UserError, nearest
from persona_collapse.finetuning.data import Dataset, find_dataset
from persona_collapse.finetuning.recipes import hyperparameters
from persona_collapse.study.model import Finetune, Model, Study, Variant

MAKING_KEYS = ("poll_s", "settle_s")  # of an endpoint, about jobs alone
SETTLE_S, POLL_S, TIMEOUT_S = 30.0, 15.0, 60.0


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
