"""What a study's models and variants are called and how they are painted."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import polars as pl

from persona_collapse.figures.style import NARROW, ONE_COLUMN, PAINTS, TEXT_WIDTH, WIDTHS, Paint


@dataclass(frozen=True)
class Notice:
    """What a figure says of the origin of its numbers; ``sign`` marks the labels it is about."""

    strong: str
    light: str
    sign: str = ""


SIMULATED = Notice("SIMULATED RESPONDENTS", "no model was asked")
METRICS = {"S": "susceptibility", "R": "robustness"}
MIXED = Notice("MIXED BACKENDS", "servers differ between variants", sign="†")


@dataclass(frozen=True)
class ModelLook:
    """A model's key in the tables, its label and its family.

    The label ends in a dagger where different servers answered for the model's variants.
    """

    key: str
    label: str
    family: str
    mixed_backends: bool = False

    @property
    def named(self) -> str:
        """The label, with the family where the label does not hold it."""
        held = self.family.casefold() in self.label.casefold()
        return self.label if held else f"{self.label} ({self.family})"


def _model(entry: Mapping[str, Any]) -> ModelLook:
    mixed = bool(entry.get("mixed_backends", False))
    label = f"{entry['label']} {MIXED.sign}" if mixed else entry["label"]
    return ModelLook(entry["key"], label, entry["family"], mixed)


@dataclass(frozen=True)
class Look:
    """Models and variants in the study's order, and the names that analysis gives to roles.

    ``baseline`` is a variant, ``targets`` maps each target to its control or None; ``roleplay``,
    ``unconditioned`` and ``toxic`` are probes. ``domain_word`` is what the role-play instrument
    calls a domain, ``construct`` the adjective for what it measures, "" where it names none.
    ``width`` is that of large figures in inches.
    """

    models: tuple[ModelLook, ...]
    variants: tuple[str, ...]
    baseline: str = "base"
    targets: Mapping[str, str | None] = field(default_factory=lambda: {"insecure": "secure"})
    roleplay: str = "roleplay"
    unconditioned: str = "unconditioned"
    toxic: str = "toxic"
    domain_word: str = "domain"
    construct: str = ""
    width: float = TEXT_WIDTH

    @classmethod
    def from_params(
        cls,
        models: Sequence[Mapping[str, Any]],
        variants: Sequence[str],
        analysis: Mapping[str, Any],
        *,
        domain_word: str = "domain",
        construct: str = "",
        width: str = "page",
    ) -> Self:
        """Build a look from a rule's params.

        ``models`` are mappings with ``key``, ``label``, ``family`` and perhaps ``mixed_backends``;
        ``analysis`` is the study file's, with its defaults; ``width`` is a key of ``WIDTHS``.
        """
        probes = {
            probe: str(analysis[f"{probe}_probe"])
            for probe in ("roleplay", "unconditioned", "toxic")
        }
        return cls(
            models=tuple(_model(entry) for entry in models),
            variants=tuple(variants),
            baseline=analysis["baseline"],
            targets=analysis["targets"],
            domain_word=domain_word,
            construct=construct,
            width=WIDTHS[width],
            **probes,
        )

    def qualified(self, text: str) -> str:
        """Return a heading with the construct before it: "Moral susceptibility"."""
        text = f"{self.construct} {text[:1].lower()}{text[1:]}".strip()
        return text[:1].upper() + text[1:]

    def metric(self, symbol: str) -> str:
        """Return the full name of S or R: "Moral susceptibility S"."""
        return self.qualified(f"{METRICS[symbol]} {symbol}")

    def worded(self, text: str) -> str:
        """Return a text about domains in the instrument's own word: "per foundation".

        Names of columns, in backticks, stay as they are.
        """

        def own(match: re.Match[str]) -> str:
            word = self.domain_word
            if match["plural"]:
                word = f"{word[:-1]}ies" if re.search("[^aeiou]y$", word) else f"{word}s"
            return word[:1].upper() + word[1:] if match[0][0] == "D" else word

        return re.sub(r"(?<!`)\b[Dd]omain(?P<plural>s?)\b(?!`)", own, text)

    @property
    def controls(self) -> list[str]:
        """The targets' controls, each once."""
        return list(dict.fromkeys(filter(None, self.targets.values())))

    @cached_property
    def _paints(self) -> dict[str, Paint]:
        roles = [self.baseline, *self.controls, *self.targets]
        groups = {
            "baseline": [self.baseline],
            "control": self.controls,
            "target": list(self.targets),
            "other": [name for name in self.variants if name not in roles],
        }
        paints, spare = {}, [*PAINTS["other"]]
        for role, names in groups.items():
            own = spare if role == "other" else [*PAINTS[role]]
            for name in names:
                # More roles than paints: take those of other variants, then begin again.
                free = own or spare or [*PAINTS["other"]]
                paints[name] = free.pop(0)
        return paints

    def paint(self, variant: str) -> Paint:
        """Return how a variant looks: by its role, or from a cycle when it has none."""
        return self._paints[variant]

    @property
    def narrow(self) -> bool:
        """Whether figures have one column: panels stand below each other."""
        return self.width < NARROW

    @property
    def on_page(self) -> bool:
        """Whether figures are drawn for the page of this project, not for paper."""
        return self.width == TEXT_WIDTH

    @property
    def column(self) -> float:
        """The width of small figures in inches."""
        return min(self.width, ONE_COLUMN)

    def notices(self, *tables: pl.DataFrame) -> list[Notice]:
        """Return what a figure of these tables must say of where its numbers come from."""
        flags = [table["simulated"] for table in tables if "simulated" in table.columns]
        notices = [SIMULATED] if any(bool(flag.any()) for flag in flags) else []
        return notices + ([MIXED] if any(model.mixed_backends for model in self.models) else [])

    @property
    def changed(self) -> list[str]:
        """The variants other than the baseline, in the study's order."""
        return [name for name in self.variants if name != self.baseline]
