"""Checks of a study before anything runs: its number of shards, and files that are missing."""

from pathlib import Path

from persona_collapse.common.errors import UserError
from persona_collapse.plan.answers import Layout, block_sizes
from persona_collapse.plan.shards import number

WARN_SHARDS = 5_000
MOST_SHARDS = 20_000


def check_size(layout: Layout) -> list[str]:
    """Refuse a study of too many shards; return a warning for one of many, else nothing."""
    count = _number(layout, layout.study.blocks)  # counted, not listed: there may be millions
    if count <= WARN_SHARDS:
        return []
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
    return [f"{text} (planning takes long beyond {WARN_SHARDS})"]


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


def undefined_values(layout: Layout) -> list[str]:
    """Return what the study as planned cannot give, and the key that would change it."""
    study, notes = layout.study, []
    baseline, targets = study.analysis["baseline"], study.analysis["targets"]
    for name in study.probes:
        units = [unit for unit in layout.shards if unit.probe == name]
        if layout.persona_count(name) is None or not units:
            continue
        means = [u for u in units if layout.endpoint(u).gives_means(layout.unit_settings(u))]
        single = [unit for unit in units if unit not in means]
        once = [u for u in single if layout.method(u) == "repeats" and layout.repetitions(u) < 2]
        if once:
            read = any(layout.endpoint_files(unit) for unit in once)
            unless = " where the recorded answers hold no more" if read else ""
            notes.append(
                f"probes.{name}.repetitions: 1: R stays empty{unless}: it needs two answers to the "
                "same persona and item, or method: logprobs; no verdict is possible without R"
            )
        if means:
            notes.append(
                f"probes.{name}: R stays empty for {means[0].model} {means[0].variant}, whose "
                "recorded ratings are means (layout.rating: mean); no verdict is possible without R"
            )
        if layout.persona_count(name) == 1:
            notes.append(f"probes.{name}: S stays empty: it needs two personas or more")
    if not targets:
        notes.append(
            "analysis.targets: no variant is a target, so the page describes what was measured and "
            "gives no verdict; a verdict needs a target, by default a variant called 'insecure', "
            "and its control, by default 'secure'"
        )
    for target, control in targets.items():
        if control is None:
            notes.append(
                f"analysis.targets.{target}: it has no control, so its change cannot be separated "
                "from that of any fine-tune"
            )
    for key, model in study.models.items():
        if baseline not in model.variants:
            notes.append(
                f"models.{key}: it has no variant {baseline!r}, the baseline, so nothing of it is "
                "compared"
            )
    return notes


def _number(layout: Layout, blocks: dict[str, int]) -> int:
    sizes = block_sizes(blocks)
    return sum(number(layout.counts(unit), sizes) for unit in layout.study.units())
