"""Checks of a study before anything runs: its number of shards, and files that are missing."""

from pathlib import Path

from persona_collapse.common.errors import UserError
from persona_collapse.plan.answers import Layout, block_sizes
from persona_collapse.plan.shards import number

WARN_SHARDS = 5_000
MOST_SHARDS = 20_000


def check_size(layout: Layout) -> str | None:
    """Refuse a study of too many shards; return a warning for one of many, else None."""
    count = _number(layout, layout.study.blocks)  # counted, not listed: there may be millions
    if count <= WARN_SHARDS:
        return None
    blocks = dict(layout.study.blocks)
    axes = ("personas", "repetitions", "items")
    while _number(layout, blocks) > WARN_SHARDS:
        widest = min(axes, key=lambda axis: (_filled(layout, axis, blocks), axes.index(axis)))
        if _filled(layout, widest, blocks):
            break  # one shard per unit already: no block size helps
        blocks[widest] *= 2
    advice = ", ".join(f"{axis}: {size}" for axis, size in blocks.items())
    text = (
        f"{layout.study.path}: shards: {count} shards would be planned; "
        f"use larger blocks, such as shards: {{{advice}}}"
    )
    if count > MOST_SHARDS:
        raise UserError(f"{text} (more than {MOST_SHARDS} are refused)")
    return f"{text} (planning takes long beyond {WARN_SHARDS})"


def _filled(layout: Layout, axis: str, blocks: dict[str, int]) -> bool:
    """Return whether one block has the whole axis in every probe."""
    probes = layout.study.probes.values()
    lengths = {
        "personas": [layout.persona_count(probe.name) or 1 for probe in probes],
        "items": [layout.instruments[probe.name].size for probe in probes],
        "repetitions": [probe.repetitions for probe in probes],
    }
    return blocks[axis] >= max(lengths[axis])


def check_inputs(layout: Layout) -> None:
    """Refuse a study whose endpoints' input files do not exist, naming each and what to do."""
    missing = [
        (unit, path)
        for unit in layout.shards
        for path in layout.endpoint_files(unit)
        if not Path(path).is_file()
    ]
    if missing:
        endpoint = layout.endpoint(missing[0][0])
        models = list(dict.fromkeys(unit.model for unit, _ in missing))
        present = [key for key in layout.study.models if key not in models]
        narrow = f", or narrow the study with --config models={','.join(present)}"
        shown = "\n  ".join(path for _, path in missing[:12])
        more = f"\n  and {len(missing) - 12} more" if len(missing) > 12 else ""
        raise UserError(
            f"{layout.study.path}: {endpoint.inputs_called} of {', '.join(models)} are not there:\n"
            f"  {shown}{more}\n"
            f"{endpoint.inputs_advice}{narrow if present else ''}"
        )


def _number(layout: Layout, blocks: dict[str, int]) -> int:
    sizes = block_sizes(blocks)
    return sum(number(layout.counts(unit), sizes) for unit in layout.study.units())
