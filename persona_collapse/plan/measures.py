"""What rules ask about measures: units and files behind metrics, contrasts and diagnostics."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

from persona_collapse.plan.answers import Layout, Names, unit_of
from persona_collapse.study.resolved import Study, Unit
from persona_collapse.tables import Table


class Measures:
    """The units of a study by what is measured of them, and the files that measures read.

    A unit is one model x variant x probe. Lists that belong to a list of units have one entry for
    each, in the same order, with None where a unit has no such file.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout, self.study = layout, layout.study
        # What one job alone needs is in its own params, so that a change of it reruns no other.
        apart = ("power", "band", "band_models", "claims")
        self.analysis = {k: v for k, v in self.study.analysis.items() if k not in apart}
        self.units = list(layout.shards)
        self.persona_units = [unit for unit in self.units if self.study.has_personas(unit.probe)]
        roleplay = self.analysis["roleplay_probe"]
        self.roleplay_units = [unit for unit in self.persona_units if unit.probe == roleplay]
        checkpoints = {(model, variant) for model, variant, _ in self.study.steps()}
        self.checkpoint_units = [
            unit for unit in self.roleplay_units if (unit.model, unit.variant) in checkpoints
        ]
        self.logprob_units = [u for u in self.persona_units if layout.method(u) == "logprobs"]
        # Unconditioned units with a baseline to compare with, which may be themselves.
        bare = self.analysis["unconditioned_probe"]
        self.bare_units = [u for u in self.units if u.probe == bare and self.baseline(u)]
        self.replicates = replicates_of(self.study)

    def files(self, kind: str, units: Sequence[Unit]) -> list[str]:
        """Return the files of one kind (answers, moments, metrics, ...) of some units."""
        root = f"{self.layout.results}/{kind}"
        return [f"{root}/{unit.model}/{unit.variant}/{unit.probe}.parquet" for unit in units]

    def joined(self, table: str) -> list[str]:
        """Return the files of every unit whose rows make up a table."""
        units = {
            "metrics": self.persona_units,
            "quality": self.units,
            "diagnostics": self.units,
            "temperature": self.logprob_units,
        }
        return self.files(table, units[table])

    def moments(self, unit: Unit) -> str:
        """Return the moments of a unit."""
        return self.files("moments", [unit])[0]

    @property
    def instrument_files(self) -> list[str]:
        """The instruments of the study, each once."""
        return sorted({str(source.path) for source in self.layout.instruments.values()})

    @property
    def persona_files(self) -> list[str]:
        """The persona sets of the study, each once."""
        return sorted({str(source.path) for source in self.layout.personas.values()})

    def instruments(self, units: Sequence[Unit]) -> list[str]:
        """Return the instrument of each unit."""
        return [self.layout.instrument(unit) for unit in units]

    def read_by(self, tables: Sequence[Table]) -> list[dict[str, str | int | None]]:
        """Return, for every unit, what the functions of tables read (``tables.READS``).

        These are paths of files and, for seed and draws, the numbers. An unconditioned unit has no
        persona set.
        """
        sets = [self.layout.persona_set(unit) for unit in self.units]
        baseline = self.analysis["baseline"]
        count = len(self.units)
        files: dict[str, Sequence[str | int | None]] = {
            "moments": self.files("moments", self.units),
            "instrument": self.instruments(self.units),
            "personas": [str(path) if path else None for path in sets],
            "baseline": [
                None if unit.variant == baseline else self._beside(unit, baseline)
                for unit in self.units
            ],
            "reference": [self._beside(unit, baseline) for unit in self.units],
            "answers": self.files("answers", self.units),
            "control": [self._beside(unit, self.control(unit)) for unit in self.units],
            "seed": [self.study.seed] * count,
            "draws": [self.analysis["bootstrap_diagnostics"]] * count,
        }
        read = sorted({kind for table in tables for kind in table.reads})
        return [{kind: files[kind][place] for kind in read} for place in range(len(self.units))]

    @cached_property
    def shown(self) -> list[dict[str, Any]]:
        """What the page's answers of each unit are read from: files, and its designed personas."""
        return [
            {
                "answers": self.files("answers", [unit])[0],
                "moments": self.moments(unit) if self.layout.method(unit) == "logprobs" else None,
                "instrument": self.layout.instrument(unit),
                "personas": str(self.layout.persona_set(unit) or "") or None,
                "count": self.layout.persona_count(unit.probe),
            }
            for unit in self.units
        ]

    def control(self, unit: Unit) -> str | None:
        """Return the control of a target or of its replicate; None for other variants."""
        variant = self.study.variant(unit)
        targets: dict[str, str | None] = self.analysis["targets"]
        return targets.get(unit.variant, targets.get(variant.replicate_of or ""))

    def _beside(self, unit: Unit, variant: str | None) -> str | None:
        """Return the moments of the same model and probe under a variant, if it was asked."""
        other = Unit(unit.model, variant or "", unit.probe)
        return self.moments(other) if other in self.layout.shards else None

    def design(self, names: Names) -> dict[str, Any]:
        """Return what a unit was designed to hold: personas (or None), repetitions, method."""
        unit = unit_of(names)
        return {
            "personas": self.layout.persona_count(unit.probe),
            "repetitions": self.layout.repetitions(unit),
            "method": self.layout.method(unit),
            "temperature": self.study.sampling["temperature"],
        }

    def baseline(self, unit: Unit) -> Unit | None:
        """Return the same model and probe under the baseline variant; None if it was not asked."""
        found = Unit(unit.model, self.analysis["baseline"], unit.probe)
        return found if found in self.layout.shards else None

    def baselines(self, units: Sequence[Unit]) -> list[str]:
        """Return the moments of the baseline of each unit; each must have one."""
        return [self.moments(base) for unit in units if (base := self.baseline(unit))]

    def baseline_moments(self, names: Names) -> list[str] | str:
        """Return the moments of a unit's baseline; nothing for the baseline itself."""
        unit = unit_of(names)
        base = self.baseline(unit)
        return [] if base in (None, unit) else self.moments(base)

    @cached_property
    def toxic(self) -> list[str | None]:
        """The moments of the toxic personas that the baseline of each bare unit played."""
        baseline, probe = self.analysis["baseline"], self.analysis["toxic_probe"]
        found = [Unit(unit.model, baseline, probe) for unit in self.bare_units]
        return [self.moments(unit) if unit in self.layout.shards else None for unit in found]

    @property
    def toxic_labels(self) -> list[str | None]:
        """The model's label of each bare unit, where printed profiles are found by it, else None.

        A new label then reruns nothing in studies without printed profiles.
        """
        printed = self.analysis["toxic_printed"]
        return [self.study.models[u.model].label if printed else None for u in self.bare_units]

    @property
    def bare_instrument(self) -> list[str] | str:
        """The instrument of the unconditioned probe, none where it is not asked."""
        return self.layout.instrument(self.bare_units[0]) if self.bare_units else []

    @property
    def roleplay_instrument(self) -> str:
        """The instrument of the role-play probe."""
        return str(self.layout.instruments[self.analysis["roleplay_probe"]].path)

    def repeats(self, unit: Unit) -> str | None:
        """Return the moments of the same cells from repeated answers, if they were asked for."""
        for other in self.persona_units:
            if (
                (other.model, other.variant) == (unit.model, unit.variant)
                and self.layout.method(other) == "repeats"
                and self.layout.same_cells(other.probe, unit.probe)
            ):
                return self.moments(other)
        return None

    @cached_property
    def logprobs(self) -> list[dict[str, Any]]:
        """The files and design that comparing log-probabilities with repeats needs, by unit."""
        return [
            {
                "answers": self.files("answers", [unit])[0],
                "moments": self.moments(unit),
                "repeats": self.repeats(unit),
                "instrument": self.layout.instrument(unit),
                "personas": self.layout.persona_count(unit.probe),
                "temperature": self.study.sampling["temperature"],
            }
            for unit in self.logprob_units
        ]

    @property
    def logprob_files(self) -> list[str]:
        """The files behind ``logprobs``, the instruments aside."""
        kinds = ("answers", "moments", "repeats")
        return [unit[kind] for kind in kinds for unit in self.logprobs if unit[kind]]

    @property
    def replicate_units(self) -> list[Unit]:
        """Replicate fine-tunes and the baselines that they are compared with."""
        members = {
            model: {self.analysis["baseline"], *chain(*variants.values())}
            for model, variants in self.replicates.items()
        }
        return [unit for unit in self.persona_units if unit.variant in members.get(unit.model, ())]

    def pilots(self, planted: bool) -> dict[str, list[str]]:
        """Return the moments that a power analysis starts from, by model.

        They are those of the baseline and of the first target that was asked. A study that plans
        from ``planted`` values starts from no model.
        """
        probe = self.analysis["roleplay_probe"]

        def asked(model: str, roles: Iterable[str]) -> list[Unit]:
            return [u for role in roles if (u := Unit(model, role, probe)) in self.layout.shards]

        found = {
            model: [
                *asked(model, [self.analysis["baseline"]]),
                *asked(model, self.analysis["targets"])[:1],
            ]
            for model in ([] if planted else self.study.models)
        }
        return {model: self.files("moments", units) for model, units in found.items() if units}


def replicates_of(study: Study) -> dict[str, dict[str, list[str]]]:
    """Return model -> variant -> the names of its replicates, itself first.

    Replicates are fine-tunes that differ in their seed alone. A model without any is left out.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for model, entry in study.models.items():
        groups: dict[str, list[tuple[int, str]]] = {}
        for name, variant in entry.variants.items():
            first = variant.replicate_of or name
            groups.setdefault(first, []).append((variant.replicate, name))
        for first, members in groups.items():
            if len(members) > 1:
                names = [name for _, name in sorted(members)]
                found.setdefault(model, {})[first] = names
    return found
