"""Fine-tuning recipes as data (``resources/recipes.yaml``): one section per backend."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from persona_collapse.common.errors import UserError, nearest
from persona_collapse.common.yaml import read_document

RECIPES = Path("resources/recipes.yaml")
SECTIONS = ("openai", "lora")


@dataclass(frozen=True)
class Recipe:
    """A recipe and its source; ``sections`` are the hyperparameters by backend."""

    name: str
    title: str
    source: str
    sections: dict[str, dict[str, Any]]


@cache
def read_recipes(path: Path = RECIPES) -> dict[str, Recipe]:
    """Read and check a file of recipes."""
    return {
        name: Recipe(
            name,
            entry["title"],
            entry["source"],
            {section: entry[section] for section in SECTIONS if section in entry},
        )
        for name, entry in read_document(path, "recipes").items()
    }


def find_recipe(name: str, where: str, path: Path = RECIPES) -> Recipe:
    """Return a recipe; refuse an unknown name with the nearest known one."""
    known = read_recipes(path)
    if name not in known:
        raise UserError(
            f"{where}: no recipe is called {name!r}{nearest(name, known)}; "
            f"{path} has: {', '.join(known)}"
        )
    return known[name]


def hyperparameters(name: str, backend: str, where: str, path: Path = RECIPES) -> dict[str, Any]:
    """Return what a recipe says to a backend, as it is sent.

    The simulated backend follows any recipe, by the first section that it has. Raises
    ``UserError`` that names the recipes which the backend can follow.
    """
    recipe = find_recipe(name, where, path)
    if backend == "simulated":
        return dict(next(iter(recipe.sections.values())))
    if backend not in recipe.sections:
        can = [other.name for other in read_recipes(path).values() if backend in other.sections]
        raise UserError(
            f"{where}: the recipe {name!r} has no section for the backend {backend!r} "
            f"(only for: {', '.join(recipe.sections)}); recipes for {backend!r}: "
            f"{', '.join(can) or 'none'}"
        )
    return dict(recipe.sections[backend])
