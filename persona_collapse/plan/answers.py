"""What the workflow's rules ask of a study: its shards, the files they stand on, their params.

Everything returned for ``params:`` is plain (texts, numbers, lists, dicts in a fixed order), since
Snakemake compares nothing else, and speaks of the shard alone, so that a growing study reruns only
what grew.
"""

from __future__ import annotations

from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any

from persona_collapse.common.errors import UserError
from persona_collapse.finetuning.orders import identity
from persona_collapse.finetuning.planned import MAKING_KEYS, orders
from persona_collapse.materials.sources import FOLDERS, Source, find_source
from persona_collapse.plan.shards import cut
from persona_collapse.study.model import Study, Unit
from persona_collapse.tasks import Shard

MAX_IN_FLIGHT = 64
# Requests that one shard's process keeps in flight; more than this gains nothing from one process.
SHARD_IN_FLIGHT = 32


# Keys of ``sampling`` that say what is made of answers, not how they are asked for.
ONLY_READ = ("askings", "temperature_grid")


class Layout:
    """A study cut into shards, with the sources that its probes name."""

    def __init__(self, study: Study) -> None:
        self.study = study
        where = f"{study.path}: probes"
        self.instruments: dict[str, Source] = {}
        self.personas: dict[str, Source] = {}
        for name, probe in study.probes.items():
            at = f"{where}.{name}"
            questions = self._beside(probe.instrument, "instrument")
            self.instruments[name] = find_source(questions, "instrument", f"{at}.instrument")
            if probe.personas is not None:
                people = self._beside(probe.personas, "personas")
                found = find_source(people, "personas", f"{at}.personas")
                if (probe.persona_count or 0) > found.size:
                    raise UserError(
                        f"{at}.persona_count: {probe.persona_count} personas are asked for, "
                        f"{probe.personas} has {found.size}"
                    )
                self.personas[name] = found

    def _beside(self, name: str, kind: str) -> str:
        """Return the path of a resource that lies beside the study file, else the name as it is.

        A bundle carries its own, so that it stays what it was when the shipped ones change.
        """
        own = self.study.path.parent / FOLDERS[kind] / f"{name}.yaml"
        return str(own) if own.is_file() else name

    def persona_count(self, probe: str) -> int | None:
        """Return the number of personas of a probe, None when it is unconditioned."""
        if probe not in self.personas:
            return None
        return self.study.probes[probe].persona_count or self.personas[probe].size

    @cached_property
    def shards(self) -> dict[Unit, list[Shard]]:
        """All shards by model x variant x probe, in the study's order."""
        sizes = block_sizes(self.study.blocks)
        return {
            unit: list(cut(unit.model, unit.variant, unit.probe, self.counts(unit), sizes))
            for unit in self.study.units()
        }

    def counts(self, unit: Unit) -> tuple[int | None, int, int]:
        """Return a unit's personas (None: unconditioned), items and repetitions."""
        probe = unit.probe
        return self.persona_count(probe), self.instruments[probe].size, self.repetitions(unit)

    def same_cells(self, one: str, other: str) -> bool:
        """Tell whether two probes ask the same items of the same personas."""
        return (
            self.instruments[one] == self.instruments[other]
            and self.personas.get(one) == self.personas.get(other)
            and self.persona_count(one) == self.persona_count(other)
        )

    def check_planted(self) -> None:
        """Refuse a study that plants something a simulated respondent cannot be."""
        for unit in self.shards:
            if self.study.variant(unit).endpoint.kind == "simulated":
                self._planted(unit)

    @cached_property
    def made(self) -> dict[tuple[str, str], dict[str, Any]]:
        """What is ordered for every variant that says how it is made, by model and variant."""
        return orders(self.study)

    def made_file(self, model: str, variant: str) -> str | None:
        """Return where the made model's id stands, below the results; None for a named model."""
        if (model, variant) not in self.made:
            return None
        return f"finetune/{model}/{variant}.json"

    def recorded_file(self, unit: Unit) -> Path | None:
        """Return the file of recorded answers of a unit, None where the endpoint asks a model."""
        variant = self.study.variant(unit)
        if variant.endpoint.kind != "recorded":
            return None
        return Path(variant.endpoint.settings["root"]) / str(variant.settings["files"][unit.probe])

    def probe_kind(self, probe: str) -> str:
        """Return what a simulated respondent plays: roleplay, unconditioned or toxic."""
        if not self.study.has_personas(probe):
            return "unconditioned"
        return "toxic" if probe == self.study.analysis["toxic_probe"] else "roleplay"

    def shard_inputs(self, unit: Unit) -> dict[str, str]:
        """Return the files that the answers of a shard are made from, by name."""
        files = {"instrument": str(self.instruments[unit.probe].path)}
        if unit.probe in self.personas:
            files["personas"] = str(self.personas[unit.probe].path)
        return files

    def shard_params(self, shard: Shard) -> dict[str, Any]:
        """Return what the answers of a shard depend on: its bounds, texts and endpoint."""
        unit = Unit(shard.model, shard.variant, shard.probe)
        variant = self.study.variant(unit)
        kind = variant.endpoint.kind
        texts = [self.instruments[unit.probe].digest(*shard.items)]
        if shard.personas is not None:
            texts.append(self.personas[unit.probe].digest(*shard.personas))
        params: dict[str, Any] = {
            "model": shard.model,
            "variant": shard.variant,
            "probe": shard.probe,
            "name": shard.name,
            "personas": list(shard.personas) if shard.personas else None,
            "items": list(shard.items),
            "repetitions": list(shard.repetitions),
            "texts": texts,
            "endpoint": kind,
        }
        if kind == "recorded":
            params["last"] = shard.last
            return params
        if kind == "simulated":  # a model that is asked draws for itself
            params["seed"] = self.study.seed
        params["settings"] = self.endpoint_settings(unit)
        made = self.made_as(shard.model, shard.variant)
        if kind == "openai" and made is not None:  # its name is not known before it is made
            params["settings"].pop("model")
            params["made"] = made
        return params

    def made_as(self, model: str, variant: str) -> dict[str, Any] | None:
        """Return what decides which model a variant is made into; None where the study names it."""
        order = self.made.get((model, variant))
        return None if order is None else identity(order)

    def endpoint_settings(self, unit: Unit) -> dict[str, Any]:
        """Return the settings of a unit's endpoint that its answers depend on."""
        variant = self.study.variant(unit)
        if variant.endpoint.kind == "simulated":
            return {
                "planted": self._planted(unit),
                "kind": self.probe_kind(unit.probe),
                "repetitions": self.study.probes[unit.probe].repetitions,
                "fidelity": variant.settings.get("fidelity", 1.0),
            }
        if variant.endpoint.kind == "openai":
            # Imported here: the other kinds plan without it.
            from persona_collapse.asking.settings import Identity

            # More attempts may turn an unparseable answer into a rating.
            named = {entry.name for entry in fields(Identity)} | {"max_attempts"}
            settings = self.openai_settings(unit)
            return {name: settings[name] for name in sorted(named & settings.keys())}
        return {}

    def method(self, unit: Unit) -> str:
        """Return how a unit's answers are sampled: repeats or logprobs."""
        variant = self.study.variant(unit)
        if variant.endpoint.kind == "simulated":
            return "repeats"
        own = variant.settings.get("method") or self.study.probes[unit.probe].method
        return str(own or self.study.sampling["method"])

    def repetitions(self, unit: Unit) -> int:
        """Return the designed answers per cell; probabilities are read ``askings`` times."""
        if self.method(unit) == "logprobs":
            return int(self.study.sampling["askings"])
        return self.study.probes[unit.probe].repetitions

    def openai_settings(self, unit: Unit) -> dict[str, Any]:
        """Return all settings of an ``openai`` endpoint's unit, as one shard's process uses them.

        ``max_in_flight`` and the limits per minute are the whole endpoint's; each of the processes
        that may ask it at once gets its part.
        """
        sampling = {k: v for k, v in self.study.sampling.items() if k not in ONLY_READ}
        asked = self.asked(
            self.study.variant(unit).endpoint.name, self.given(unit.model, unit.variant)
        )
        return {**asked, **sampling, "method": self.method(unit)}

    def given(self, model: str, name: str) -> dict[str, Any]:
        """Return what an asked variant and its endpoint say; a stand-in for a model to be made."""
        variant = self.study.models[model].variants[name]
        given = {**variant.endpoint.settings, **variant.settings}
        order = self.made.get((model, name))
        if order is not None:
            given["model"] = f"ft:{order['base']}:"  # its price goes by this name too
        return given

    def asked(self, endpoint: str, given: dict[str, Any]) -> dict[str, Any]:
        """Return an endpoint's settings with one process's part of its limits, budget and scope."""
        given = {name: value for name, value in given.items() if name not in MAKING_KEYS}
        claim, total = self.slots(endpoint)
        for limit in ("requests_per_minute", "tokens_per_minute"):
            if given.get(limit):
                given[limit] = given[limit] * claim / total
        spent = {"budget": self.study.budget or None, "scope": self.study.name}
        return {**given, "max_in_flight": claim, **spent}

    def slots(self, endpoint: str) -> tuple[int, int]:
        """Return the requests in flight that one shard claims of an endpoint, and all it grants."""
        total = int(self.study.endpoints[endpoint].settings.get("max_in_flight", MAX_IN_FLIGHT))
        return min(total, SHARD_IN_FLIGHT), total

    def _planted(self, unit: Unit) -> list[dict[str, Any]]:
        # Imported here: a study without simulated respondents plans without numpy.
        from persona_collapse.endpoints.simulated import planted_from_numbers, planted_values

        variant = self.study.variant(unit)
        where = f"{self.study.path}: models.{unit.model}.variants.{unit.variant}.planted"
        wanted = variant.settings["planted"]
        if "S" in wanted and "R" in wanted:
            foundations = self.instruments[unit.probe].foundations()
            profile = (wanted.get(key) for key in ("profile_mean", "profile_sd"))
            return planted_from_numbers(wanted["S"], wanted["R"], foundations, *profile)
        if "label" in wanted and "variant" in wanted and "planted" in variant.endpoint.settings:
            table = Path(variant.endpoint.settings["planted"])
            try:
                return planted_values(table, wanted["label"], wanted["variant"])
            except UserError as fault:
                raise UserError(f"{where}: {fault}") from None
        raise UserError(
            f"{where}: give S and R, or label and variant of a table that "
            f"endpoints.{variant.endpoint.name}.planted names"
        )

    def look(self) -> list[dict[str, Any]]:
        """Return what figures and page show of the models: key, label, family, mixed stacks."""
        return [
            {
                "key": model.key,
                "label": model.label,
                "family": model.family,
                "mixed_stacks": model.mixed_stacks,
            }
            for model in self.study.models.values()
        ]


def block_sizes(blocks: dict[str, int]) -> tuple[int, int, int]:
    """Return the block sizes in the order of the axes."""
    return blocks["personas"], blocks["items"], blocks["repetitions"]
