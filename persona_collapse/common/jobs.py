"""Run a workflow script's function with a rule's names; report a fault as one message."""

import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from persona_collapse.common.errors import UserError
from persona_collapse.common.log import ERROR, HANDLER, LOG

# Params that only make Snakemake rerun a job: the digest of its code, the order of its inputs
# (which Snakemake compares as a set) and the content id of its data.
RERUN_PARAMS = ("code", "input_order", "content", "ask_again")


def run(function: Callable[..., object], snakemake: Any, **given: Any) -> None:
    """Call ``function`` with a rule's inputs, params and outputs as parameters of the same names.

    ``snakemake`` is the object that Snakemake gives to a script. ``given`` adds what no rule
    tracks, such as run settings or wildcards. See ``bind`` for the names and ``reported`` for
    what becomes of a ``UserError``.
    """
    with reported(snakemake.log[0] if snakemake.log else None):
        function(
            **bind(
                function,
                f"{_script_of(function)}: rule {snakemake.rule}",
                inputs=_named(snakemake.input, "inputs"),
                params=dict(snakemake.params.items()),
                outputs=_named(snakemake.output, "output"),
                given=given,
            )
        )


def run_settings(snakemake: Any, *wildcards: str) -> dict[str, Any]:
    """Return the run settings of a job: what changes how it works, but not what it writes.

    The workflow keeps them in ``config["run"]``, by rule and by the values of ``wildcards`` joined
    by spaces. Snakemake does not compare them, so a changed limit, budget or mirror reruns nothing.
    """
    settings = snakemake.config["run"].get(snakemake.rule, {})
    names = " ".join(getattr(snakemake.wildcards, name) for name in wildcards)
    return dict(settings.get(names, {}))


def bind(
    function: Callable[..., object], where: str, **sources: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the keyword arguments for ``function`` from several sources of named values.

    - A single file is a text, several files are a list of texts.
    - Unnamed inputs are the list ``inputs``. They are only dependencies, and left out, where the
      function has no such parameter. One unnamed output is ``output``.
    - An empty list of inputs leaves a parameter that has a default at its default.
    - Params in ``RERUN_PARAMS`` are left out.

    Raises ``TypeError`` for a name that the function does not take, that two sources give, or
    that is missing. The message starts with ``where``.
    """
    parameters = inspect.signature(function).parameters
    name_of = getattr(function, "__name__", str(function))
    bound: dict[str, Any] = {}
    for source, values in sources.items():
        for name, value in values.items():
            if source == "params" and name in RERUN_PARAMS:
                continue
            if source == "inputs" and name == "inputs" and name not in parameters:
                continue
            if name not in parameters:
                raise TypeError(f"{where}: {name_of}() has no parameter {name!r} ({source})")
            if name in bound:
                raise TypeError(f"{where}: parameter {name!r} of {name_of}() is given twice")
            if source == "inputs" and value == [] and _has_default(parameters[name]):
                continue
            bound[name] = value
    for name, parameter in parameters.items():
        if name not in bound and not _has_default(parameter):
            raise TypeError(f"{where}: nothing gives parameter {name!r} of {name_of}()")
    return bound


def _script_of(function: Callable[..., object]) -> str:
    """Return a script's file name; Snakemake runs a copy that it calls tmp<...>.<name>.py."""
    return ".".join(Path(inspect.getsourcefile(function) or "script.py").name.split(".")[-2:])


def _has_default(parameter: inspect.Parameter) -> bool:
    return parameter.default is not inspect.Parameter.empty


def _named(files: Any, unnamed: str) -> dict[str, Any]:
    """Return a job's files by name, the unnamed ones, which stand first, under ``unnamed``."""
    named = {
        name: value if isinstance(value, str) else [str(file) for file in value]
        for name, value in files.items()
    }
    count = sum(1 if isinstance(value, str) else len(value) for value in named.values())
    rest = [str(file) for file in files][: len(files) - count]
    if unnamed == "output" and len(rest) == 1:
        return {**named, unnamed: rest[0]}
    return {**named, unnamed: rest} if rest else named


@contextmanager
def reported(log: str | None) -> Iterator[None]:
    """Write a ``UserError`` to stderr and the log, then exit with 1.

    A bug shows its traceback on stderr, as ever, and leaves it in the log.
    """
    path = Path(log) if log else None
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
        HANDLER.files.append(path)
    try:
        yield
    except UserError as fault:
        LOG.error("%s%s", ERROR, fault)
        sys.exit(1)
    except Exception:
        LOG.debug("%s", traceback.format_exc().rstrip())
        raise
    finally:
        if path:
            HANDLER.files.pop()
