"""From a rule's params and run settings to what makes a variant: data, backend, price, budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from persona_collapse.asking.keys import find_key
from persona_collapse.asking.prices import (
    CODE_CHARACTERS_PER_TOKEN,
    find_price,
    token_counter,
)
from persona_collapse.common.errors import UserError
from persona_collapse.finetuning.backends.base import Backend
from persona_collapse.finetuning.data import Checked, read_examples
from persona_collapse.finetuning.journal import Journal, Patience
from persona_collapse.finetuning.making import Maker
from persona_collapse.finetuning.orders import Order, order_of

SIMULATED_POLL_S = 0.05


@dataclass(frozen=True)
class Running:
    """An order, its data, and how it is run (``config["run"]``, which reruns nothing)."""

    order: Order
    data: Checked
    settings: Mapping[str, Any]
    simulated: bool

    @classmethod
    def of(cls, params: Mapping[str, Any], data: Path, settings: Mapping[str, Any]) -> Running:
        """Build from ``Layout.made``'s params of a variant and the file of its data."""
        checked = read_examples(data)
        order = order_of(params, checked.sha256)
        return cls(order, checked, settings, params["backend"] == "simulated")

    @property
    def store(self) -> Path:
        """The answer store, where the journal lies."""
        return Path(self.settings["store"])

    @property
    def journal(self) -> Journal:
        """The journal of the order's job."""
        return Journal(self.store, "job", self.order.key)

    def backend(self) -> Backend:
        """Return the server that trains; its key is looked for when it is first asked."""
        if self.simulated:
            from persona_collapse.finetuning.backends.simulated import SimulatedBackend

            return SimulatedBackend(self.order, len(self.data.examples), self.tokens()[0])
        from persona_collapse.finetuning.backends.openai import OpenAIBackend

        name, url = self.settings["api_key_env"], self.order.base_url
        return OpenAIBackend(url, lambda: find_key(name, url), self.settings["timeout_s"])

    def tokens(self) -> tuple[int, str]:
        """Return the tokens of one pass over the data, and how they were counted."""
        count, how = token_counter(self.order.base, CODE_CHARACTERS_PER_TOKEN)
        return self.data.tokens(count), how

    def usd(self) -> tuple[float | None, str | None]:
        """Return what the training costs by the file of prices, and whose word that is."""
        if self.simulated:
            return 0.0, None
        price = find_price(Path(self.settings["prices"]), self.order.base_url, self.order.base)
        if price is None or price.training is None:
            return None, None
        dollars = price.training_cost(self.tokens()[0] * self.order.epochs)
        return dollars, f"{price.as_of}, {price.source}"

    def maker(self) -> Maker:
        """Return what makes the order; the budget is watched where the study has one."""
        limits = self.settings["budget"]
        usd, _ = self.usd()
        budget = None
        if limits and not self.simulated:
            # Imported here: most studies have no budget.
            from persona_collapse.asking.budget import Budget

            if usd is None and limits.get("max_usd") is not None:
                raise UserError(
                    f"budget.max_usd: {self.settings['prices']} has no price for training the "
                    f"model {self.order.base!r} of {self.order.base_url}; add the key training to "
                    "its entry (0 for a server of your own), or limit budget.max_requests instead"
                )
            budget = Budget(self.store, self.settings["scope"], limits, 1)
        poll = SIMULATED_POLL_S if self.simulated else self.settings["poll_s"]
        return Maker(
            order=self.order,
            backend=self.backend(),
            store=self.store,
            content=self.data.path.read_bytes,
            patience=Patience(self.settings["settle_s"], poll),
            key_name=None if self.simulated else self.settings["api_key_env"],
            budget=budget,
            usd=usd or 0.0,
            tokens=self.tokens()[0] * self.order.epochs,
        )
