"""What rules ask about answers: shards, the files they are made from, params and run settings.

Everything returned for ``params:`` is plain (texts, numbers, lists, dicts in a fixed order), since
Snakemake compares nothing else. It describes one shard alone, so that a growing study reruns only
its new shards.
"""

from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from persona_collapse.asking.settings import Settings
from persona_collapse.asking.submissions import is_waiting
from persona_collapse.asking.unanswered import note_of
from persona_collapse.common.errors import UserError
from persona_collapse.endpoints.base import Endpoint, UnitSettings, module_of
from persona_collapse.finetuning.orders import identity
from persona_collapse.finetuning.planned import orders
from persona_collapse.materials.sources import Source, find_source
from persona_collapse.plan.code import code_of
from persona_collapse.plan.shards import cut
from persona_collapse.store.files import stream_folder
from persona_collapse.study.resolved import Study, Unit
from persona_collapse.tasks import Shard

# What names a unit: the wildcards of a job, or the unit itself. Both have model, variant and probe.
Names = Any


def unit_of(names: Names) -> Unit:
    """Return the model x variant x probe that a job is about."""
    return Unit(names.model, names.variant, names.probe)


@dataclass(frozen=True)
class Places:
    """Where a run reads and writes, and whether it accepts requests that failed.

    ``stops`` is the folder of notes that stop jobs.
    """

    results: str = "results"
    store: str = "answer_store"
    prices: str = "resources/prices.yaml"
    stops: str | None = None
    accept_errors: bool = False

    @property
    def accepted(self) -> str:
        """The folder of notes about requests that failed and were accepted."""
        return f"{self.results}/accepted"

    def asking(self) -> dict[str, Any]:
        """Return the run settings of a job that sends requests."""
        return {
            "store": self.store,
            "prices": self.prices,
            "stops": self.stops,
            "rescued": str(Path(self.results).parent.parent / "rescued_answers"),
            "accept_errors": self.accept_errors,
            "accepted": self.accepted,
        }

    def again(self, *labels: str) -> dict[str, bool]:
        """Return a param that makes jobs run again where errors are not accepted any more."""
        noted = any(note_of(self.accepted, label).exists() for label in labels)
        return {"ask_again": True} if noted and not self.accept_errors else {}


class Layout:
    """A study cut into shards, with the sources that its probes name."""

    def __init__(self, study: Study, places: Places = Places()) -> None:
        self.study, self.places, self.results = study, places, places.results
        self._identities: dict[Unit, dict[str, Any]] = {}
        where, folder = f"{study.path}: probes", study.path.parent
        self.instruments: dict[str, Source] = {}
        self.personas: dict[str, Source] = {}
        for name, probe in study.probes.items():
            at = f"{where}.{name}"
            place = f"{at}.instrument"
            self.instruments[name] = find_source(probe.instrument, "instrument", place, folder)
            if probe.personas is not None:
                found = find_source(probe.personas, "personas", f"{at}.personas", folder)
                if (probe.persona_count or 0) > found.size:
                    raise UserError(
                        f"{at}.persona_count: {probe.persona_count} personas are asked for, "
                        f"{probe.personas} has {found.size}"
                    )
                self.personas[name] = found

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

    @cached_property
    def _named(self) -> dict[tuple[Unit, str], Shard]:
        return {(unit, s.name): s for unit, shards in self.shards.items() for s in shards}

    def task(self, wildcards: Any) -> dict[str, Any]:
        """Return the params of a job that answers a shard.

        Raises ``UserError`` for a shard that the study does not have.
        """
        unit, name = unit_of(wildcards), wildcards.shard
        again = self.places.again(" ".join([*astuple(unit), name]))
        return {**self.shard_params(self.shard(unit, name)), **again}

    def shard(self, unit: Unit, name: str) -> Shard:
        """Return a shard by its name; raises ``UserError`` where the study does not have it."""
        if (unit, name) not in self._named:
            where = "/".join([*astuple(unit), name])
            raise UserError(f"the study {self.study.name!r} has no shard {where}")
        return self._named[unit, name]

    def code(self, names: Names) -> str:
        """Return the digest of the code behind a shard: its endpoint's, and no other endpoint's."""
        kind = self.study.variant(unit_of(names)).endpoint.kind
        return code_of("answer_shard", modules=[module_of(kind)])

    def endpoint_name(self, names: Names) -> str:
        """Return the name of the endpoint that a unit is asked at."""
        return self.study.variant(unit_of(names)).endpoint.name

    def shard_files(self, names: Names) -> list[str]:
        """Return the files of all shards of a unit."""
        return [self.shard_file(shard) for shard in self.shards[unit_of(names)]]

    def shard_file(self, shard: Shard) -> str:
        """Return the file of a shard."""
        place = f"{shard.model}/{shard.variant}/{shard.probe}/{shard.name}"
        return f"{self.results}/shards/{place}.parquet"

    def instrument(self, names: Names) -> str:
        """Return the instrument of a unit."""
        return str(self.instruments[names.probe].path)

    def persona_set(self, names: Names) -> list[str] | str:
        """Return the persona set of a unit, none where it is unconditioned."""
        return str(self.personas[names.probe].path) if names.probe in self.personas else []

    def made_input(self, names: Any) -> list[str] | str:
        """Return the file that names a fine-tuned variant's model, none for other variants."""
        made = self.made_file(names.model, names.variant)
        return f"{self.results}/{made}" if made else []

    def batch_file(self, names: Names) -> list[str] | str:
        """Return the file that says that batches filled the store for a unit; none without."""
        unit = unit_of(names)
        if (unit.model, unit.variant) not in self._by_batch:
            return []
        return f"{self.results}/batches/{unit.model}/{unit.variant}.json"

    @cached_property
    def _by_batch(self) -> dict[tuple[str, str], list[Unit]]:
        """The units of the variants that are asked by batches, or that a batch runs for."""
        found: dict[tuple[str, str], list[Unit]] = {}
        for unit in self.asked:
            endpoint = self.endpoint(unit)
            if endpoint.batches and (
                endpoint.by_batch(self.unit_settings(unit))
                or is_waiting(Path(self.places.store), Settings.of(self.run_settings(unit)).stream)
            ):
                found.setdefault((unit.model, unit.variant), []).append(unit)
        return found

    def batch_tasks(self, names: Any) -> dict[str, Any]:
        """Return the params of a job that fills the store for a variant by batches."""
        units = self._by_batch[names.model, names.variant]
        shards = [shard for unit in units for shard in self.shards[unit]]
        return {
            "shards": [self.shard_params(shard) for shard in shards],
            "files": {unit.probe: self.shard_inputs(unit) for unit in units},
            "module": self.endpoint(units[0]).batches,
        }

    def batch_texts(self, names: Any) -> list[str]:
        """Return the instruments and persona sets that a variant's batches ask about."""
        units = self._by_batch[names.model, names.variant]
        return sorted({file for unit in units for file in self.shard_inputs(unit).values()})

    def batch_again(self, names: Any) -> bool:
        """Return whether shards are to be answered from a store that was moved or deleted."""
        units = self._by_batch[names.model, names.variant]
        stream = Settings.of(self.run_settings(units[0])).stream
        if stream_folder(Path(self.places.store), stream).is_dir():
            return False
        return any(not Path(file).is_file() for unit in units for file in self.shard_files(unit))

    def batch_settings(self) -> dict[str, dict[str, Any]]:
        """Return the run settings of jobs that fill the store by batches, by model and variant."""
        return {
            " ".join(names): {"probes": {unit.probe: self.run_settings(unit) for unit in units}}
            for names, units in self._by_batch.items()
        }

    @cached_property
    def asked(self) -> list[Unit]:
        """The units that a model is asked for, in the study's order."""
        return [unit for unit in self.shards if self.endpoint(unit).sends_requests]

    def asked_shards(self, first: bool = False) -> list[dict[str, Any]]:
        """Return every asked shard: its params, the files of its texts and its run settings.

        ``first``: only the first shard of every model x variant.
        """
        shards = [shard for unit in self.asked for shard in self.shards[unit]]
        if first:
            shards = list({(s.model, s.variant): s for s in reversed(shards)}.values())[::-1]
        return [self._described(shard) for shard in shards]

    def recorded(self) -> list[dict[str, Any]]:
        """Return a shard of every unit that is read from files, with these as ``inputs``."""
        units = [unit for unit in self.shards if not self.endpoint(unit).sends_requests]
        return [
            {**self._described(self.shards[unit][0]), "inputs": files}
            for unit in units
            if (files := self.endpoint_files(unit))
        ]

    def _described(self, shard: Shard) -> dict[str, Any]:
        unit = unit_of(shard)
        return {
            "shard": self.shard_params(shard),
            "texts": self.shard_inputs(unit),
            "settings": self.run_settings(unit),
        }

    def run_settings(self, unit: Unit) -> dict[str, Any]:
        """Return how one job answers a unit: what its endpoint says, which changes no answer.

        Where requests are sent, it is all settings of the endpoint, with store, prices and stops.
        """
        endpoint = self.endpoint(unit)
        own = endpoint.run_settings(self.unit_settings(unit))
        if not endpoint.sends_requests:
            return own
        return {**self.identity(unit), **own, **self.places.asking()}

    def counts(self, unit: Unit) -> tuple[int | None, int, int]:
        """Return a unit's personas (None: unconditioned), items and repetitions."""
        probe = unit.probe
        return self.persona_count(probe), self.instruments[probe].size, self.repetitions(unit)

    def same_cells(self, one: str, other: str) -> bool:
        """Return whether two probes ask the same items of the same personas."""
        return (
            self.instruments[one] == self.instruments[other]
            and self.personas.get(one) == self.personas.get(other)
            and self.persona_count(one) == self.persona_count(other)
        )

    def check_endpoints(self) -> None:
        """Refuse a study with settings that an endpoint cannot answer from.

        Examples are planted values that a simulated respondent cannot have.
        """
        for unit in self.shards:
            self.identity(unit)
            if self.method(unit) == "logprobs" and self.study.sampling["temperature"] is None:
                raise UserError(
                    f"{self.study.path}: sampling.temperature: null has no meaning with method: "
                    "logprobs, whose probabilities are computed at a temperature; give a number"
                )

    @cached_property
    def made(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The fine-tune that is ordered for every variant that names none, by model and variant."""
        return orders(self.study)

    def made_file(self, model: str, variant: str) -> str | None:
        """Return the file, below the results, that names a fine-tuned model; None for others."""
        if (model, variant) not in self.made:
            return None
        return f"finetune/{model}/{variant}.json"

    def endpoint(self, unit: Unit) -> Endpoint:
        """Return the endpoint that answers a unit."""
        return self.study.variant(unit).endpoint.behaviour

    def unit_settings(self, unit: Unit) -> UnitSettings:
        """Return what the study says about a unit, for its endpoint."""
        study, variant = self.study, self.study.variant(unit)
        return UnitSettings(
            where=f"{study.path}: models.{unit.model}.variants.{unit.variant}",
            name=variant.endpoint.name,
            endpoint=variant.endpoint.settings,
            variant=self.variant_settings(unit.model, unit.variant),
            names={"model": unit.model, "variant": unit.variant, "probe": unit.probe},
            role=self.role(unit.probe),
            repetitions=study.probes[unit.probe].repetitions,
            sampling={**study.sampling, "method": self.method(unit)},
            domains=self.instruments[unit.probe].domains,
            scale=self.instruments[unit.probe].scale,
            results=self.results,
            budget=study.budget,
            scope=study.name,
        )

    def endpoint_files(self, names: Names) -> list[str]:
        """Return the files that a unit's endpoint reads answers from."""
        unit = unit_of(names)
        return self.endpoint(unit).inputs(self.unit_settings(unit))

    def role(self, probe: str) -> str:
        """Return what a probe is for: roleplay, unconditioned or toxic."""
        if not self.study.has_personas(probe):
            return "unconditioned"
        return "toxic" if probe == self.study.analysis["toxic_probe"] else "roleplay"

    def shard_inputs(self, unit: Unit) -> dict[str, str]:
        """Return the files of the texts that a unit is asked, by name."""
        files = {"instrument": self.instrument(unit), "personas": self.persona_set(unit)}
        return {name: str(path) for name, path in files.items() if path}

    def shard_params(self, shard: Shard) -> dict[str, Any]:
        """Return what the answers of a shard depend on: its bounds, texts and endpoint."""
        unit = Unit(shard.model, shard.variant, shard.probe)
        endpoint = self.endpoint(unit)
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
            "endpoint": self.study.variant(unit).endpoint.kind,
        }
        if endpoint.keeps_extra:
            params["last"] = shard.last
        if endpoint.uses_seed:
            params["seed"] = self.study.seed
        settings = dict(self.identity(unit))
        made = self.made_as(shard.model, shard.variant)
        if made is not None and "model" in settings:  # it has no name before it is trained
            settings.pop("model")
            params["made"] = made
        return {**params, "settings": settings} if settings else params

    def made_as(self, model: str, variant: str) -> dict[str, Any] | None:
        """Return what determines a fine-tuned model; None where the study names the model."""
        order = self.made.get((model, variant))
        return None if order is None else identity(order)

    def identity(self, unit: Unit) -> dict[str, Any]:
        """Return the settings of a unit's endpoint that its answers depend on."""
        if unit not in self._identities:
            self._identities[unit] = self.endpoint(unit).identity(self.unit_settings(unit))
        return self._identities[unit]

    def method(self, unit: Unit) -> str:
        """Return how a unit's answers are sampled: repeats or logprobs."""
        own = self.study.variant(unit).settings.get("method")
        method = str(own or self.study.probes[unit.probe].method or self.study.sampling["method"])
        return method if method in self.endpoint(unit).methods else "repeats"

    def repetitions(self, unit: Unit) -> int:
        """Return the designed answers per cell: ``samples_per_cell`` with log-probabilities."""
        if self.method(unit) == "logprobs":
            return int(self.study.sampling["samples_per_cell"])
        return self.study.probes[unit.probe].repetitions

    def variant_settings(self, model: str, name: str) -> dict[str, Any]:
        """Return the keys of a variant, with a stand-in for the name of a model to be trained."""
        settings = dict(self.study.models[model].variants[name].settings)
        order = self.made.get((model, name))
        if order is not None:
            settings["model"] = f"ft:{order['base']}:"  # prices are listed by this prefix
        return settings


def block_sizes(blocks: dict[str, int]) -> tuple[int, int, int]:
    """Return the block sizes in the order of the axes."""
    return blocks["personas"], blocks["items"], blocks["repetitions"]
