"""The fine-tunes that a study orders, as plain values, and the recipes that they follow."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from persona_collapse.asking.settings import normalised_url
from persona_collapse.common.errors import UserError, nearest
from persona_collapse.common.faults import read_document
from persona_collapse.common.keys import (
    Count,
    Keys,
    Name,
    Natural,
    NonNegative,
    Positive,
    Text,
    given,
    key,
)
from persona_collapse.finetuning.data import Dataset, find_dataset
from persona_collapse.finetuning.orders import SIMULATED, identity
from persona_collapse.study.resolved import Finetune, Model, Study, Variant

SETTLE_S, POLL_S, TIMEOUT_S = 30.0, 15.0, 60.0
RECIPES = Path("resources/recipes.yaml")


def orders(study: Study) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the order of every fine-tuned variant, by model and variant, as plain values.

    Raises ``UserError`` for an unknown base, dataset or recipe, for a recipe that the endpoint
    cannot follow, and for two variants with the same identity.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    known: dict[str, tuple[str, str]] = {}
    for model, variant in study.variants():
        if variant.finetune is None:
            continue
        order = _order(study, study.models[model], variant, variant.finetune)
        same = repr(identity(order))
        if same in known:
            other = ".".join(known[same])
            raise UserError(
                f"{study.path}: models.{model}.variants.{variant.name}.finetune: "
                f"{other} is made in exactly the same way (base, data, recipe and seed); give "
                "one of them another seed, or name one model for both"
            )
        known[same] = (model, variant.name)
        found[model, variant.name] = order
    return found


def datasets_of(
    study: Study, found: Mapping[tuple[str, str], Mapping[str, Any]]
) -> dict[str, Dataset]:
    """Return the datasets of all orders, and the datasets that these must match, by name."""
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
    simulated = variant.endpoint.behaviour.simulated
    backend = SIMULATED if simulated else variant.endpoint.kind
    url = SIMULATED if simulated else normalised_url(variant.endpoint.settings["base_url"])
    return {
        "model": model.key,
        "variant": variant.name,
        "backend": backend,
        "base_url": url,
        "base": model.key if simulated else base.settings["model"],
        "dataset": how.dataset,
        "git_blob": data.git_blob,
        "recipe": how.recipe,
        "hyperparameters": hyperparameters(how.recipe, backend, f"{where}.recipe"),
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


@dataclass(frozen=True)
class OpenaiRecipe(Keys):
    """Hyperparameters of OpenAI's fine-tuning jobs."""

    method: Literal["supervised"] = key("the method")
    n_epochs: Count = key("passes over the data")
    batch_size: Count = key("examples per step")
    learning_rate_multiplier: Positive = key("multiplier of the service's learning rate")


@dataclass(frozen=True)
class LoraRecipe(Keys):
    """Hyperparameters of LoRA fine-tunes."""

    rank: Count = key("rank of the adapters")
    learning_rate: Positive = key("the peak learning rate")
    schedule: Literal["linear", "constant", "cosine"] = key("the learning rate's schedule")
    batch_size: Count = key("examples per step")
    n_epochs: Count = key("passes over the data")
    max_tokens: Count = key("length at which an example is cut off")
    alpha: Positive | None = key("scaling of the adapters", None)
    warmup_steps: Natural | None = key("steps of rising learning rate", None)
    weight_decay: NonNegative | None = key("weight decay", None)


@dataclass(frozen=True)
class Recipe(Keys):
    """A recipe with its source and its hyperparameters for one backend or several."""

    title: Text = key("a line for people")
    source: Text = key("where its numbers come from")
    openai: OpenaiRecipe | None = key("for OpenAI's fine-tuning jobs", None)
    lora: LoraRecipe | None = key("for LoRA fine-tunes", None)

    @property
    def sections(self) -> dict[str, dict[str, Any]]:
        """The hyperparameters that the recipe gives, by backend."""
        known = {"openai": self.openai, "lora": self.lora}
        return {backend: given(keys) for backend, keys in known.items() if keys is not None}

    def faults(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield a fault where no backend can follow the recipe."""
        if not self.sections:
            yield (), "has no hyperparameters; add the key 'openai' or 'lora'"


@cache
def read_recipes(path: Path = RECIPES) -> dict[str, Recipe]:
    """Read and check a file of recipes."""
    return read_document(path, dict[Name, Recipe])


def hyperparameters(name: str, backend: str, where: str, path: Path = RECIPES) -> dict[str, Any]:
    """Return a recipe's hyperparameters for a backend, as they are sent.

    The simulated backend follows the first section of any recipe. Raises ``UserError`` for an
    unknown recipe, and for one that the backend cannot follow, with those that it can.
    """
    known = read_recipes(path)
    if name not in known:
        raise UserError(
            f"{where}: no recipe is called {name!r}{nearest(name, known)}; "
            f"{path} has: {', '.join(known)}"
        )
    sections = known[name].sections
    if backend == SIMULATED:
        return next(iter(sections.values()))
    if backend not in sections:
        can = [other for other, recipe in known.items() if backend in recipe.sections]
        raise UserError(
            f"{where}: the recipe {name!r} has no section for the backend {backend!r} "
            f"(only for: {', '.join(sections)}); recipes for {backend!r}: "
            f"{', '.join(can) or 'none'}"
        )
    return sections[backend]
