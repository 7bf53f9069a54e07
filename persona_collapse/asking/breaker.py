"""The circuit breaker of a whole run: what only the user can mend stops every shard, not one.

A run of Snakemake answers each shard in a process of its own and, by default, goes on past a shard
that failed. So the first shard that learns of a refused key or an empty account writes it down in a
folder of the run's own, and those that start after it stop before they ask.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from persona_collapse.asking.settings import Settings
from persona_collapse.common.errors import UserError
from persona_collapse.common.hashing import digest

OF_THE_KEY = ("http_401", "http_402", "insufficient_quota")  # else of the model alone


class Breaker:
    """Knows what has stopped the shards of one run; ``settings.stops`` None knows nothing."""

    def __init__(self, settings: Settings) -> None:
        self.folder = Path(settings.stops) if settings.stops else None
        account = {"base_url": settings.base_url, "api_key_env": settings.api_key_env}
        self._account = f"{digest(account)[:16]}.txt"
        self._model = f"{digest({**account, 'model': settings.model})[:16]}.txt"

    def check(self) -> None:
        """Raise ``UserError`` with the reason where another shard of the run had to stop."""
        for name in (self._account, self._model):
            with suppress(OSError):
                if self.folder and (said := (self.folder / name).read_text(encoding="utf-8")):
                    raise UserError(f"nothing was asked for this shard: {said}")

    def trip(self, cause: str, message: str) -> None:
        """Stop the shards that start from now on, as far as the cause reaches."""
        name = self._account if cause in OF_THE_KEY else self._model
        with suppress(OSError):  # the shard's own message is what counts
            if self.folder:
                self.folder.mkdir(parents=True, exist_ok=True)
                (self.folder / name).write_text(message, encoding="utf-8")
