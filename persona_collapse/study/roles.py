"""Resolve the roles that ``analysis`` gives to variants: the baseline, targets, controls."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from persona_collapse.common.errors import UserError, nearest
from persona_collapse.study.resolved import Study

# Names of roles where the study gives none. Such a role is absent where no variant has the name.
DEFAULTS = {"baseline": "base", "target": "insecure", "control": "secure"}
Targets = dict[str, str | None]


def with_roles(study: Study) -> Study:
    """Return the study with ``analysis["baseline"]`` and ``analysis["targets"]`` resolved.

    ``targets`` maps each target to its control, or None; ``target`` and ``control`` are its short
    form. Both then name variants of the study alone. A study with one variant has it as baseline.
    Raises ``UserError`` for roles that exclude each other, for a named role that no variant fills,
    and for several variants none of which is the baseline.
    """
    named = dict(study.analysis)
    given: Targets | None = named.pop("targets")
    target, control = named.pop("target"), named.pop("control")
    where, known = f"{study.path}: analysis", _variants(study)
    if given is not None and (target or control):
        other = "target" if target else "control"
        raise UserError(f"{where}.{other}: does not go with 'targets', which names all; remove one")
    roles = [("baseline", named["baseline"]), ("target", target), ("control", control)]
    for name, its_control in (given or {}).items():
        roles += [("targets", name), (f"targets.{name}", its_control)]
    _check_filled(where, roles, known)
    baseline = named["baseline"] or _default_baseline(study, where, given or (target,))
    if given is not None:
        targets = given
        _check_targets(f"{where}.targets", baseline, targets)
    else:
        targets = _short_form(where, baseline, target, control, known)
    return replace(study, analysis={**named, "baseline": baseline, "targets": targets})


def with_roles_left(study: Study) -> Study:
    """Return a study that was narrowed to some models without the roles of all others.

    Raises ``UserError`` where these models have several variants and no baseline.
    """
    known, analysis = _variants(study), study.analysis
    baseline = analysis["baseline"]
    if baseline not in known:
        if len(_fine_tunes(study)) > 1:
            raise UserError(
                f"models={','.join(study.models)}: none of these models has the baseline "
                f"{baseline!r}, which percent changes are relative to; run others beside them"
            )
        baseline = known[0]
    targets = {
        target: control if control in known else None
        for target, control in analysis["targets"].items()
        if target in known and target != baseline
    }
    return replace(study, analysis={**analysis, "baseline": baseline, "targets": targets})


def _variants(study: Study) -> list[str]:
    return list(dict.fromkeys(variant.name for _, variant in study.variants()))


def _fine_tunes(study: Study) -> set[str]:
    """Return the variants, replicates counted as one."""
    return {variant.replicate_of or variant.name for _, variant in study.variants()}


def _check_filled(
    where: str, roles: Iterable[tuple[str, str | None]], known: Collection[str]
) -> None:
    """Refuse a role that the study names and no variant fills."""
    for role, variant in roles:
        if variant is not None and variant not in known:
            raise UserError(
                f"{where}.{role}: no model has a variant {variant!r}{nearest(variant, known)}; "
                f"known: {', '.join(known)}"
            )


def _default_baseline(study: Study, where: str, targets: Collection[str | None]) -> str:
    known, default = _variants(study), DEFAULTS["baseline"]
    if default in known:
        return default
    if len(_fine_tunes(study)) == 1:
        if known[0] in targets:
            raise UserError(
                f"{where}: {known[0]!r} is the study's only variant, and a target is compared with "
                "a baseline; add the baseline, or name no target"
            )
        return known[0]
    raise UserError(
        f"{where}.baseline: no model has a variant {default!r}, which percent changes are relative "
        f"to{nearest(default, known)}; name the variant to compare with here, one of: "
        f"{', '.join(known)}"
    )


def _check_targets(where: str, baseline: str, targets: Mapping[str, str | None]) -> None:
    """Refuse targets and controls that have another role already."""
    for target, control in targets.items():
        if target == baseline:
            raise UserError(f"{where}: {target!r} is the baseline and cannot be a target, too")
        other = (
            "the baseline" if control == baseline
            else "the target itself" if control == target
            else "another target" if control in targets
            else None
        )  # fmt: skip
        if other:
            raise UserError(
                f"{where}.{target}: the control {control!r} is {other}; name a variant that has no "
                "other role, or null"
            )


def _short_form(
    where: str, baseline: str, target: str | None, control: str | None, known: Collection[str]
) -> Targets:
    """Return the one target with its control; defaults give way to roles that the study names."""
    roles = {"baseline": baseline, "target": target, "control": control}
    taken = {name: role for role, name in roles.items() if name}
    if len(taken) < sum(map(bool, roles.values())):
        raise UserError(
            f"{where}: baseline, control and target must be three different names, "
            f"found {', '.join(name for name in (baseline, control, target) if name)}"
        )
    found: dict[str, str | None] = {"target": target, "control": control}
    for role in found:
        default: Any = DEFAULTS[role]
        if found[role] is None and default in known and default not in taken:
            found[role] = default
    return {found["target"]: found["control"]} if found["target"] else {}
