"""The study key ``misalignment``: which replies are asked for and who judges them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from persona_collapse.common.errors import UserError, nearest

if TYPE_CHECKING:
    from persona_collapse.study.load import Endpoint, Model

DEFAULTS: dict[str, Any] = {"samples": 30, "temperature": 1.0, "max_tokens": 600}
METHODS = ("auto", "logprobs", "text")
ASKING = ("questions", "judge", "samples", "temperature", "max_tokens", "git_blob")
READ = ("printed", "recorded")  # ways to come by the numbers without asking


@dataclass(frozen=True)
class Judge:
    """Who judges: an endpoint's name, the model that is asked (None: simulated), and how."""

    endpoint: str
    model: str | None
    method: str


@dataclass(frozen=True)
class Check:
    """A checked ``misalignment`` key.

    ``printed`` is a table of printed numbers and ``recorded`` a folder of judged replies; where one
    is given nothing is asked and ``judge`` is None. ``variants`` None: all. ``git_blob`` confirms
    another version of fetched questions.
    """

    questions: str
    samples: int
    temperature: float
    max_tokens: int
    variants: tuple[str, ...] | None
    judge: Judge | None
    git_blob: str | None = None
    printed: Path | None = None
    recorded: Path | None = None

    def pairs(self, models: Mapping[str, Model]) -> list[tuple[str, str]]:
        """Return every model x variant that is checked, in the study's order."""
        return [
            (model.key, variant.name)
            for model in models.values()
            for variant in model.variants.values()
            if self.variants is None
            or variant.name in self.variants
            or getattr(variant, "replicate_of", None) in self.variants
        ]

    def plain(self) -> dict[str, Any]:
        """Return the key with its defaults, as plain values."""
        if self.judge is None:
            named = {"printed": self.printed, "recorded": self.recorded}
            read: dict[str, Any] = {key: str(path) for key, path in named.items() if path}
        else:
            judge = {"endpoint": self.judge.endpoint, "model": self.judge.model}
            read = {
                "questions": self.questions,
                **({"git_blob": self.git_blob} if self.git_blob else {}),
                **{key: getattr(self, key) for key in DEFAULTS},
                "judge": {**judge, "method": self.judge.method},
            }
        return {**read, "variants": list(self.variants) if self.variants else None}


def check_of(
    path: Path,
    entry: Mapping[str, Any] | None,
    endpoints: Mapping[str, Endpoint],
    models: Mapping[str, Model],
) -> Check | None:
    """Read the key as the schema has accepted it; None where a study has none.

    Raises ``UserError`` for what a schema cannot say: names that refer to nothing, keys that do not
    go together, endpoints that cannot do what is asked of them.
    """
    if entry is None:
        return None
    where = f"{path}: misalignment"
    _check_variants(where, entry, models)
    variants = tuple(entry["variants"]) if "variants" in entry else None
    given = [key for key in READ if key in entry]
    if given:
        _check_alone(where, entry, given)
        found = {key: _place(path, entry[key]) for key in given}
        return Check(
            "",
            **DEFAULTS,
            variants=variants,
            judge=None,
            printed=found.get("printed"),
            recorded=found.get("recorded"),
        )
    for key in ("questions", "judge"):
        if key not in entry:
            raise UserError(
                f"{where}: the key {key!r} is missing; name questions and a judge, or say "
                "printed (a table of printed numbers)"
            )
    check = Check(
        questions=entry["questions"],
        **{key: entry.get(key, default) for key, default in DEFAULTS.items()},
        variants=variants,
        judge=_judge(where, entry["judge"], endpoints),
        git_blob=entry.get("git_blob"),
    )
    _check_kinds(where, check, endpoints, models)
    return check


def _place(path: Path, text: str) -> Path:
    """Return the path that a study file names; ``${study_folder}`` is where that file lies."""
    return Path(text.replace("${study_folder}", str(path.parent)))


def _check_alone(where: str, entry: Mapping[str, Any], given: list[str]) -> None:
    others = [key for key in (*given[1:], *ASKING) if key in entry]
    if others:
        raise UserError(
            f"{where}.{others[0]}: does not go with {given[0]!r}, which asks nothing; "
            "remove one of the two"
        )


def _check_variants(where: str, entry: Mapping[str, Any], models: Mapping[str, Model]) -> None:
    named = list(dict.fromkeys(name for model in models.values() for name in model.variants))
    for place, name in enumerate(entry.get("variants", ())):
        if name not in named:
            raise UserError(
                f"{where}.variants[{place}]: no model has a variant {name!r}{nearest(name, named)}"
            )


def _judge(where: str, entry: Mapping[str, Any], endpoints: Mapping[str, Endpoint]) -> Judge:
    name = entry["endpoint"]
    if name not in endpoints:
        raise UserError(
            f"{where}.judge.endpoint: no endpoint is called {name!r}{nearest(name, endpoints)}; "
            f"known: {', '.join(endpoints)}"
        )
    kind = endpoints[name].kind
    if kind == "recorded":
        raise UserError(
            f"{where}.judge.endpoint: {name!r} is of the kind recorded and judges nothing; "
            "judged replies of another run are read with misalignment.recorded"
        )
    if kind == "openai" and "model" not in entry:
        raise UserError(f"{where}.judge: the key 'model' is missing: the model that judges")
    if kind == "simulated" and "model" in entry:
        raise UserError(f"{where}.judge.model: a simulated judge has no model; remove the key")
    return Judge(name, entry.get("model"), entry.get("method", "auto"))


def _check_kinds(
    where: str, check: Check, endpoints: Mapping[str, Endpoint], models: Mapping[str, Model]
) -> None:
    """Refuse recorded variants, and a simulated side beside one that is asked."""
    assert check.judge is not None
    simulated = endpoints[check.judge.endpoint].kind == "simulated"
    for key, name in check.pairs(models):
        kind = models[key].variants[name].endpoint.kind
        at = f"models.{key}.variants.{name}"
        if kind == "recorded":
            raise UserError(
                f"{where}: {at} has recorded answers and cannot be asked open questions; "
                "leave it out with misalignment.variants, or read numbers with printed or recorded"
            )
        if simulated and kind != "simulated":
            raise UserError(
                f"{where}.judge: a simulated judge can read simulated replies alone, and {at} is "
                "asked for real ones; name a model that judges"
            )
        if not simulated and kind == "simulated":
            raise UserError(
                f"{where}.judge: {at} is simulated, so a model would be paid to judge sentences "
                "that mean nothing; name a simulated endpoint as the judge"
            )
