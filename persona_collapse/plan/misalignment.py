"""What rules ask about the misalignment check: files, params, and how its models are asked."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from persona_collapse.asking.settings import job_settings
from persona_collapse.common.errors import UserError
from persona_collapse.common.keys import given, plain
from persona_collapse.layouts.patterns import filled, filled_values
from persona_collapse.layouts.tables import format_of
from persona_collapse.materials.sources import FOLDERS, RESOURCES, Source, find_source
from persona_collapse.misalignment.judge import logprobs_label, text_label
from persona_collapse.misalignment.recorded import read_judged
from persona_collapse.misalignment.replies import replies_label
from persona_collapse.plan.answers import Layout
from persona_collapse.plan.code import code_of
from persona_collapse.study.model import Misalignment
from persona_collapse.study.resolved import Endpoint, Variant

IDENTITY = ("base_url", "extra_body", "model", "temperature", "max_tokens", "thinking")


class CheckLayout:
    """A study's misalignment check; a study without one has an empty check.

    ``check`` are the study's keys, defaults where it has none, ``pairs`` the checked model x
    variant. ``judge`` and ``source``, the questions, are None where nothing is asked: the study has
    no check, or reads printed numbers or judged replies.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout, self.study = layout, layout.study
        self.exists = self.study.misalignment is not None
        self.check = self.study.misalignment or Misalignment()
        self.judge = self.check.judge
        self.pairs = self.study.checked()
        self.source = self._source(self.check) if self.judge else None
        missing = [str(path) for path in self.recorded_files() if not path.is_file()]
        if missing:
            raise UserError(
                f"{self.study.path}: misalignment.recorded: there is no file {missing[0]} (missing "
                f"in all: {len(missing)}); leave variants out with misalignment.variants"
            )
        for model, name in self.pairs if self.judge else ():
            if self.variant(model, name).endpoint.behaviour.simulated:
                self._planted(model, name)

    def _source(self, check: Misalignment) -> Source:
        name, where = check.questions, f"{self.study.path}: misalignment.questions"
        found = find_source(name, "questions", where, self.study.path.parent)
        if check.git_blob is None or found.fingerprint is None:
            return found
        folder = RESOURCES / "external" / FOLDERS["questions"]
        path = folder / f"{name}-{check.git_blob[:12]}.yaml"
        return replace(found, path=path, fingerprint=check.git_blob)

    @property
    def questions(self) -> list[str] | str:
        """The file of the questions, none where none are asked."""
        return str(self.source.path) if self.source else []

    @property
    def printed(self) -> list[str] | str:
        """The file of printed numbers, none where the study reads none."""
        return str(self.check.printed) if self.check.printed else []

    @property
    def has_loss(self) -> bool:
        """Whether loss of coherence is computed: a target has a control."""
        return self.exists and any(self.study.analysis["targets"].values())

    def judged(self) -> list[str]:
        """Return the judged replies: of this study, or another run's where the study reads them."""
        if not self.exists or self.check.printed is not None:
            return []
        root = f"{self.layout.results}/judged"
        own = [f"{root}/{model}/{variant}.parquet" for model, variant in self.pairs]
        return own if self.source else [str(path) for path in self.recorded_files()]

    def reply_endpoint(self, wildcards: Any) -> str:
        """Return the name of the endpoint that a variant is asked at."""
        return self.variant(wildcards.model, wildcards.variant).endpoint.name

    def judge_endpoint(self, wildcards: Any) -> str:
        """Return the name of the endpoint that the judge is asked at."""
        return self._judge_endpoint().name

    def modules(self, wildcards: Any) -> list[str]:
        """Return the names of the modules that give a variant's replies and their verdicts."""
        variant = self.variant(wildcards.model, wildcards.variant)
        endpoints = (variant.endpoint, self._judge_endpoint())
        return [str(endpoint.behaviour.replies) for endpoint in endpoints]

    def code(self, wildcards: Any) -> str:
        """Return the digest of the code behind replies and verdicts: their endpoints' alone."""
        return code_of("check_variant", modules=self.modules(wildcards))

    def task(self, wildcards: Any) -> dict[str, Any]:
        """Return what a variant's replies and their verdicts depend on."""
        replies = self.reply_params(wildcards.model, wildcards.variant)
        names = f"{wildcards.model} {wildcards.variant}"
        labels = replies_label(wildcards.model, wildcards.variant), logprobs_label(names)
        again = self.layout.places.again(*labels, text_label(names))
        return {"replies": replies, "judge": self.judge_params(), **again}

    def _placed(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Add what all jobs that ask have in common to run settings; nothing if simulated."""
        return {**settings, **self.layout.places.asking()} if settings else {}

    def run_settings(self) -> dict[str, dict[str, Any]]:
        """Return the run settings of every checked variant and of its judge, by its names."""
        pairs = self.pairs if self.source else []
        judge = self._placed(self.judge_settings())
        return {
            " ".join(pair): {"replies": self._placed(self.reply_settings(*pair)), "judge": judge}
            for pair in pairs
        }

    def asked(self) -> dict[str, Any]:
        """Return what costs and preflight need of the check; empty where nothing is asked."""
        if self.judge is None:
            return {}
        judge = self._placed(self.judge_settings())
        if not judge:  # it is simulated, and so is every reply that it reads
            return {}
        replies = [
            {
                "model": model,
                "variant": variant,
                "samples": self.check.samples,
                "settings": self._placed(self.reply_settings(model, variant)),
            }
            for model, variant in self.pairs
        ]
        asking = {"questions": self.questions, "method": self.judge.method}
        return {**asking, "judge": judge, "replies": replies}

    @property
    def confirmed(self) -> dict[str, str]:
        """The git blob id of the fetched questions that the study accepts, by their name."""
        check = self.check
        return {check.questions: check.git_blob} if check.git_blob else {}

    def variant(self, model: str, name: str) -> Variant:
        """Return a checked variant."""
        return self.study.models[model].variants[name]

    def reply_params(self, model: str, name: str) -> dict[str, Any]:
        """Return what a variant's replies depend on: questions, samples and endpoint."""
        assert self.source is not None
        variant = self.variant(model, name)
        params: dict[str, Any] = {
            "model": model,
            "variant": name,
            "endpoint": variant.endpoint.kind,
            "questions": self.source.digest(0, self.source.size),
            "samples": self.check.samples,
        }
        if variant.endpoint.behaviour.simulated:
            return params | {"seed": self.study.seed, "planted": self._planted(model, name)}
        settings = identity(self.reply_settings(model, name))
        order = self.layout.made_as(model, name)
        if order is not None:  # it has no name before it is trained
            settings.pop("model")
            params["made"] = order
        return params | {"settings": settings}

    def reply_settings(self, model: str, name: str) -> dict[str, Any]:
        """Return how a variant is asked, as one job's process does it; nothing if simulated."""
        variant = self.variant(model, name)
        if variant.endpoint.behaviour.simulated:
            return {}
        lengths = {"temperature": self.check.temperature, "max_tokens": self.check.max_tokens}
        given = {**variant.endpoint.settings, **self.layout.variant_settings(model, name)}
        return job_settings(given | lengths, self.study.budget, self.study.name)

    def judge_params(self) -> dict[str, Any]:
        """Return what the verdicts depend on besides the replies: prompts, judge and method."""
        assert self.source is not None
        assert self.judge is not None
        endpoint = self._judge_endpoint()
        prompts = self.source.fingerprint
        if prompts is None:
            prompts = self.source.read().judge_digest()
        params = {"endpoint": endpoint.kind, "method": self.judge.method, "prompts": prompts}
        return params | {"settings": identity(self.judge_settings())}

    def judge_settings(self) -> dict[str, Any]:
        """Return how the judge is asked, as one job's process does it; nothing if simulated."""
        if self.judge is None:
            return {}
        endpoint = self._judge_endpoint()
        if endpoint.behaviour.simulated:
            return {}
        given = {**endpoint.settings, "model": self.judge.model}
        if given.get("thinking") and self.judge.method == "logprobs":
            raise UserError(
                f"{self.study.path}: misalignment.judge.method: the judge's endpoint "
                f"{endpoint.name!r} has thinking, and the first token of a judge that thinks is no "
                "score: use method: text, or an endpoint without thinking"
            )
        return job_settings(given, self.study.budget, self.study.name)

    def _planted(self, model: str, name: str) -> dict[str, float]:
        from persona_collapse.misalignment.simulated import planted_scores

        variant = self.variant(model, name)
        where = f"{self.study.path}: models.{model}.variants.{name}.planted"
        table = variant.endpoint.settings.get("verification")
        return planted_scores(variant.settings.get("planted", {}), table, where)

    def _judge_endpoint(self) -> Endpoint:
        assert self.judge is not None
        return self.study.endpoints[self.judge.endpoint]

    def files(self) -> list[str]:
        """Return the files that the check's numbers depend on, for the provenance."""
        if not self.exists:
            return []
        tables = [e.settings.get("verification") for e in self.study.endpoints.values()]
        read = [self.questions, self.printed, *map(str, self.recorded_files()), *tables]
        return [str(path) for path in read if path]

    def recorded_files(self) -> list[Path]:
        """Return the judged replies of another run that the study reads."""
        if self.check.recorded is None:
            return []
        named = str(self.check.recorded)
        is_file = "{" in named or format_of(Path(named))
        pattern = named if is_file else f"{named}/{{model}}/{{variant}}.parquet"
        where = f"{self.study.path}: misalignment.recorded"
        return [
            Path(filled(pattern, {"model": model, "variant": name}, where))
            for model, name in self.pairs
        ]

    def check_recorded(self) -> None:
        """Refuse judged replies of another run that cannot be read."""
        how = self.recorded_as()
        if how is not None:
            files = zip(self.recorded_files(), how["where"], self.pairs, strict=True)
            for path, where, pair in files:
                read_judged(path, how["columns"], where, *pair)

    def recorded_as(self) -> dict[str, Any] | None:
        """Return how judged replies of another run are read; None where there are none."""
        if self.check.recorded is None:
            return None
        where = f"{self.study.path}: misalignment.where"
        rows = [
            filled_values(plain(self.check.where or {}), {"model": m, "variant": v}, where)
            for m, v in self.pairs
        ]
        return {"columns": given(self.check.columns) if self.check.columns else {}, "where": rows}

    def asked_endpoints(self) -> list[str]:
        """Return the endpoints that replies or verdicts are asked of."""
        if self.judge is None:
            return []
        named = [*(self.variant(*pair).endpoint for pair in self.pairs), self._judge_endpoint()]
        return [endpoint.name for endpoint in named if endpoint.behaviour.sends_requests]


def identity(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that change an answer, in a fixed order."""
    return {name: settings[name] for name in IDENTITY if name in settings}
