"""Ask the servers that are to train whether they would; nothing is begun."""

from collections.abc import Sequence

from persona_collapse.asking.journal import RefusedError, UnansweredError
from persona_collapse.asking.keys import find_key
from persona_collapse.asking.listing import look_up
from persona_collapse.commands.findings import Finding, shutdown
from persona_collapse.finetuning import messages
from persona_collapse.finetuning.runner import Runner


def may_train(tunes: Sequence[Runner]) -> list[Finding]:
    """Ask each server once whether the key may fine-tune, and whether each base is still there.

    Nothing is begun. Whatever prevents every job is fatal.
    """
    findings: list[Finding] = []
    known: dict[tuple[str, ...], list[tuple[bool, str]]] = {}
    for tune in tunes:
        order = tune.order
        server, base = (order.base_url,), (order.base_url, order.base)
        if server not in known:
            known[server] = _permission(tune)
        if base not in known:
            known[base] = _base(tune)
        found = [*known[server], *known[base]]
        findings += [Finding(order.model, order.variant, fatal, text) for fatal, text in found]
    return findings


def _permission(tune: Runner) -> list[tuple[bool, str]]:
    backend = tune.backend
    try:
        backend.permission()
    except RefusedError as fault:
        name = tune.settings["api_key_env"]
        text = str(messages.refused(fault, tune.order, name, "the list of fine-tuning jobs"))
        return [(True, text)]
    except UnansweredError as fault:
        return [(True, f"{tune.order.base_url} does not list its fine-tuning jobs: {fault}")]
    finally:
        backend.close()
    return []


def _base(tune: Runner) -> list[tuple[bool, str]]:
    order, name = tune.order, tune.settings["api_key_env"]
    listed = look_up(order.base_url, order.base, find_key(name, order.base_url))
    if listed.found is False:
        text = f"the base model {order.base} is not in the server's list of models"
        return [(True, f"{text}: {listed.offered(order.base)}")]
    if not listed.shutdown_date:
        return []
    fatal, text = shutdown(listed.shutdown_date)
    return [(fatal, f"the base model {order.base} {text}, and so are models fine-tuned from it")]
