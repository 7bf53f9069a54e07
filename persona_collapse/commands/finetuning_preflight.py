"""Whether a server will train, found out for free: the key's permission, the base model's end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from persona_collapse.asking.keys import find_key
from persona_collapse.commands.costs import known_models
from persona_collapse.commands.preflight import Finding, look_up, shutdown
from persona_collapse.finetuning import messages
from persona_collapse.finetuning.backends.base import RefusedError, UnansweredError
from persona_collapse.finetuning.backends.openai import OpenAIBackend
from persona_collapse.finetuning.running import Running


def before_making(
    making: Sequence[Mapping[str, Any]],
) -> tuple[dict[tuple[str, str], str | None], list[Finding]]:
    """Return each made variant's model, None where it is still to be made, and findings.

    ``making`` has a mapping per variant: ``order``, the file of its ``data``, ``settings``.
    """
    runnings = [Running.of(m["order"], Path(m["data"]), m["settings"]) for m in making]
    known = known_models(runnings)
    names = [(running.order.model, running.order.variant) for running in runnings]
    models = {name: known.get(name) for name in names}
    waiting = [r for r, name in zip(runnings, names, strict=True) if models[name] is None]
    return models, may_train(waiting)


def may_train(runnings: Sequence[Running]) -> list[Finding]:
    """Ask each server once whether the key may fine-tune, and whether each base is still there.

    Nothing is begun. What stands in the way of every job is fatal.
    """
    findings: list[Finding] = []
    asked: dict[str, str | None] = {}
    bases: dict[tuple[str, str], list[tuple[bool, str]]] = {}
    for running in runnings:
        order = running.order
        if order.base_url not in asked:
            asked[order.base_url] = _permission(running)
        if (order.base_url, order.base) not in bases:
            bases[order.base_url, order.base] = _base(running)
        fault = asked[order.base_url]
        if fault is not None:
            findings.append(Finding(order.model, order.variant, True, fault))
        findings += [
            Finding(order.model, order.variant, fatal, text)
            for fatal, text in bases[order.base_url, order.base]
        ]
    return findings


def _permission(running: Running) -> str | None:
    backend = running.backend()
    assert isinstance(backend, OpenAIBackend)
    try:
        backend.permission()
    except RefusedError as fault:
        name = running.settings["api_key_env"]
        return str(messages.refused(fault, running.order, name, "listing fine-tuning jobs"))
    except UnansweredError as fault:
        return f"{running.order.base_url} does not list its fine-tuning jobs: {fault}"
    finally:
        backend.close()
    return None


def _base(running: Running) -> list[tuple[bool, str]]:
    order, name = running.order, running.settings["api_key_env"]
    listed, day = look_up(order.base_url, order.base, find_key(name, order.base_url))
    if listed is False:
        return [(True, f"the base model {order.base} is not in the server's list of models")]
    found = []
    if day:
        fatal, text = shutdown(day)
        found.append((fatal, f"the base model {order.base} {text}, and what is made of it with it"))
    return found
