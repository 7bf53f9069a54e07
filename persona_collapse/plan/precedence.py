"""Which jobs wait for others of the study that ask for the same answers.

Units that ask one model the same questions, such as a model that the study names twice, share slots
of the answer store. A shard of the later one in the study waits for the shards of the earlier ones
that share slots with it, and reads the store. Without that it would claim the same cells at the
same time, and hold a job back while it waits (``store.leases``).
"""

from collections.abc import Iterator
from functools import cached_property
from itertools import product
from typing import Any

from persona_collapse.common.hashing import digest
from persona_collapse.plan.answers import Layout, block_sizes, unit_of
from persona_collapse.plan.misalignment import CheckLayout
from persona_collapse.study.resolved import Unit
from persona_collapse.tasks import Shard, Span


class Precedence:
    """The files that jobs wait for without reading them."""

    def __init__(self, layout: Layout, check: CheckLayout) -> None:
        self.layout, self.check = layout, check
        self.study = layout.study
        self.sizes = block_sizes(self.study.blocks)
        self._texts: dict[str, tuple[list[str], list[str]]] = {}
        self._indexed: dict[Unit, dict[tuple[int, ...], Shard]] = {}

    def shards(self, wildcards: Any) -> list[str]:
        """Return the files of the earlier shards that share slots with a shard."""
        unit = unit_of(wildcards)
        if unit not in self._earlier:
            return []
        shard = self.layout.shard(unit, wildcards.shard)
        return [
            self.layout.shard_file(other)
            for earlier in self._earlier[unit]
            for other in self._sharing(shard, earlier)
        ]

    def checked(self, wildcards: Any) -> list[str]:
        """Return the judged replies of the first variant whose replies are a variant's, too."""
        names = (wildcards.model, wildcards.variant)
        first = self._first_checked.get(names, names)
        folder = f"{self.layout.results}/judged"
        return [] if first == names else [f"{folder}/{first[0]}/{first[1]}.parquet"]

    @cached_property
    def _earlier(self) -> dict[Unit, list[Unit]]:
        """The earlier units that share cells with a unit, for those that have any."""
        groups: dict[str, list[Unit]] = {}
        for unit in self.layout.asked:
            key = self.layout.endpoint(unit).store_key(self.layout.unit_settings(unit))
            if key is not None:
                made = self.layout.made_as(unit.model, unit.variant)
                groups.setdefault(digest([key, made]), []).append(unit)
        found: dict[Unit, list[Unit]] = {}
        for units in groups.values():
            for place, unit in enumerate(units):
                earlier = [one for one in units[:place] if self._share(one.probe, unit.probe)]
                if earlier:
                    found[unit] = earlier
        return found

    @cached_property
    def _first_checked(self) -> dict[tuple[str, str], tuple[str, str]]:
        """The first variant with the same replies, by model and variant."""
        first: dict[str, tuple[str, str]] = {}
        found = {}
        for model, variant in self.check.pairs if self.check.source else ():
            params = self.check.reply_params(model, variant)
            if "settings" in params:
                key = digest({**params, "model": None, "variant": None})
                found[model, variant] = first.setdefault(key, (model, variant))
        return found

    def _share(self, one: str, other: str) -> bool:
        """Return whether two probes share cells."""
        pairs = zip(self._axes(one), self._axes(other), strict=True)
        return all(not set(a).isdisjoint(b) for a, b in pairs)

    def _axes(self, probe: str) -> tuple[list[str], list[str]]:
        """Return identifiers of a probe's personas (one where it has none) and items, in order."""
        if probe not in self._texts:
            items, people = self.layout.instruments[probe], self.layout.personas.get(probe)
            count = self.layout.persona_count(probe) or 0
            self._texts[probe] = (
                [people.digest(n, n + 1) for n in range(count)] if people else [""],
                [items.digest(n, n + 1) for n in range(items.size)],
            )
        return self._texts[probe]

    def _sharing(self, shard: Shard, earlier: Unit) -> Iterator[Shard]:
        """Yield the shards of an earlier unit that share slots with a shard."""
        mine, theirs = self._axes(shard.probe), self._axes(earlier.probe)
        personas = shard.personas or (0, 1)
        most = self.layout.repetitions(earlier)
        first, after = shard.repetitions
        blocks = (
            _blocks(mine[0], personas, theirs[0], self.sizes[0]),
            _blocks(mine[1], shard.items, theirs[1], self.sizes[1]),
            sorted({(n - 1) // self.sizes[2] for n in range(first, min(after, most + 1))}),
        )
        shards = self._by_block(earlier)
        for block in product(*blocks):
            yield shards[block]

    def _by_block(self, unit: Unit) -> dict[tuple[int, ...], Shard]:
        if unit not in self._indexed:
            found = {}
            for shard in self.layout.shards[unit]:
                starts = (shard.personas or (0,))[0], shard.items[0], shard.repetitions[0] - 1
                place = tuple(at // size for at, size in zip(starts, self.sizes, strict=True))
                found[place] = shard
            self._indexed[unit] = found
        return self._indexed[unit]


def _blocks(mine: list[str], span: Span, theirs: list[str], size: int) -> list[int]:
    """Return the blocks of ``theirs`` with one of the texts at ``span`` of ``mine``."""
    texts = set(mine[slice(*span)])
    return sorted({place // size for place, text in enumerate(theirs) if text in texts})
