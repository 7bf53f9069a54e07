"""The circuit breaker of a run: what one job learns of a server saves the others from learning it.

Snakemake answers each shard in a process of its own and, by default, continues after a failed one.
The first job that learns of a refused key, an empty account or a full disk writes the reason into a
folder of the run; jobs that start later read it and send nothing. A job that gave up a server which
does not answer leaves a note, too. It stops no other job: jobs that start later send one request
first, which decides.
"""

from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from persona_collapse.asking.settings import Settings
from persona_collapse.common.errors import UserError
from persona_collapse.common.hashing import digest

# Causes that concern the key; all others concern the model alone.
KEY_CAUSES = ("http_401", "http_402", "insufficient_quota", "invalid_api_key")
STORE = "store"  # the cause where answers cannot be stored
REFUSED = "no request was sent for this shard: "
TRIED = "one request was sent for this job, and not answered: "
HALT = "halt"  # the note of a run that the user stops
DROP_S = 10.0  # within which an interrupt repeats the one before: drop what is on its way


class Breaker:
    """Shares why a run must stop between its jobs; off where ``settings.stops`` is None."""

    def __init__(self, settings: Settings) -> None:
        self.folder = Path(settings.stops) if settings.stops else None
        account = {"base_url": settings.base_url, "api_key_env": settings.api_key_env}
        self._account = f"{digest(account)[:16]}.txt"
        self._store = f"{digest({'store': settings.store})[:16]}.txt"
        self._model = f"{digest({**account, 'model': settings.model})[:16]}.txt"
        # Whoever asks this server tries it out; an answer of one model says nothing about others.
        self._server = f"silent-{digest(list(urlsplit(settings.base_url)[:2]))[:16]}-"
        self._silent = f"{self._server}{digest([settings.base_url, settings.model])[:16]}.txt"

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
        self._note(self._store if cause == STORE else name, message)

    def silent(self, message: str) -> None:
        """Let later jobs try out the server, which did not answer this one's requests."""
        self._note(self._silent, message)

    def answered(self) -> None:
        """Take back that the server did not answer for this model."""
        with suppress(OSError):
            if self.folder:
                (self.folder / self._silent).unlink(missing_ok=True)

    def silence(self) -> str | None:
        """Return why another job gave up the server, for this model first; None where none did."""
        others = sorted(self.folder.glob(f"{self._server}*.txt")) if self.folder else []
        for path in sorted(others, key=lambda path: path.name != self._silent):
            with suppress(OSError):
                if reason := path.read_text(encoding="utf-8"):
                    return reason
        return None

    def _note(self, name: str, message: str) -> None:
        with suppress(OSError):  # this job reports the reason in any case
            if self.folder:
                self.folder.mkdir(parents=True, exist_ok=True)
                (self.folder / name).write_text(message, encoding="utf-8")


def halt(folder: Path) -> None:
    """Ask the jobs of a run to stop as at a first signal: those elsewhere too, or without one."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / HALT).touch()
