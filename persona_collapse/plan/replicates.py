"""Which variants of a study are replicate fine-tunes of one another: made alike but for a seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def replicates_of(study: Any) -> dict[str, dict[str, list[str]]]:
    """Return model -> variant -> the names of its replicates, itself first; {} where none has any.

    ``study.models`` maps models, ``variants`` of each map variants, whose ``replicate_of`` names
    the variant that they replicate and whose ``replicate`` counts from 1. Both may be absent or
    None: such a variant was made once, or is the first of its replicates.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for model, entry in study.models.items():
        for variant, names in _grouped(entry.variants).items():
            if len(names) > 1:
                found.setdefault(model, {})[variant] = names
    return found


def _grouped(variants: Mapping[str, Any]) -> dict[str, list[str]]:
    counted: dict[str, list[tuple[int, str]]] = {}
    for name, variant in variants.items():
        of = getattr(variant, "replicate_of", None) or name
        counted.setdefault(of, []).append((getattr(variant, "replicate", None) or 1, name))
    return {of: [name for _, name in sorted(members)] for of, members in counted.items()}
