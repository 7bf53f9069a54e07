"""The circuit breaker of a run: what only the user can fix stops all of its jobs.

Snakemake answers each shard in a process of its own and, by default, continues after a failed one.
The first job that learns of a refused key, an empty account or a full disk writes the reason into a
folder of the run; jobs that start later read it and send nothing.
"""

from contextlib import suppress
from pathlib import Path

from persona_collapse.asking.settings import Settings
from persona_collapse.common.errors import UserError
from persona_collapse.common.hashing import digest

# Causes that concern the key; all others concern the model alone.
KEY_CAUSES = ("http_401", "http_402", "insufficient_quota", "invalid_api_key")
STORE = "store"  # the cause where answers cannot be stored
REFUSED = "no request was sent for this shard: "
HALT = "halt"  # the note of a run that the user stops


class Breaker:
    """Shares why a run must stop between its jobs; off where ``settings.stops`` is None."""

    def __init__(self, settings: Settings) -> None:
        self.folder = Path(settings.stops) if settings.stops else None
        account = {"base_url": settings.base_url, "api_key_env": settings.api_key_env}
        self._account = f"{digest(account)[:16]}.txt"
        self._store = f"{digest({'store': settings.store})[:16]}.txt"
        self._model = f"{digest({**account, 'model': settings.model})[:16]}.txt"

    def check(self) -> None:
        """Raise ``UserError`` with the reason where another job of the run had to stop."""
        for name in (self._store, self._account, self._model):
            with suppress(OSError):
                if self.folder and (reason := (self.folder / name).read_text(encoding="utf-8")):
                    raise UserError(f"{REFUSED}{reason}")

    def halted(self) -> bool:
        """Return whether the user stops the run."""
        return self.folder is not None and (self.folder / HALT).exists()

    def trip(self, cause: str, message: str) -> None:
        """Stop later jobs with the same store, key, or key and model, depending on the cause."""
        name = self._account if cause in KEY_CAUSES else self._model
        name = self._store if cause == STORE else name
        with suppress(OSError):  # this job reports the reason in any case
            if self.folder:
                self.folder.mkdir(parents=True, exist_ok=True)
                (self.folder / name).write_text(message, encoding="utf-8")


def halt(folder: Path) -> None:
    """Ask the jobs of a run to stop as at a first signal: those elsewhere too, or without one."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / HALT).touch()
