"""What the workflow's rules ask of a study's misalignment check: files, params, how to ask."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from persona_collapse.common.errors import UserError
from persona_collapse.materials.sources import FOLDERS, RESOURCES, Source, find_source, questions_at
from persona_collapse.plan.answers import Layout
from persona_collapse.study.model import Misalignment, Variant

IDENTITY = ("base_url", "extra_body", "model", "temperature", "max_tokens")


class CheckLayout:
    """A study's check with its source of questions; ``pairs`` are the checked model x variant."""

    def __init__(self, layout: Layout, check: Misalignment) -> None:
        self.layout, self.check, self.study = layout, check, layout.study
        self.pairs = check.pairs(self.study.models)
        self.source = self._source() if check.judge else None
        if check.recorded is not None:
            self._check_recorded()
        for model, name in self.pairs if check.judge else ():
            if self.variant(model, name).endpoint.kind == "simulated":
                self._planted(model, name)

    def _check_recorded(self) -> None:
        missing = [str(path) for path in self.recorded_files() if not path.is_file()]
        if missing:
            raise UserError(
                f"{self.study.path}: misalignment.recorded: there is no file {missing[0]} (missing "
                f"in all: {len(missing)}); leave variants out with misalignment.variants"
            )

    def _source(self) -> Source:
        name = self.check.questions
        own = self.study.path.parent / FOLDERS["questions"] / f"{name}.yaml"
        where = f"{self.study.path}: misalignment.questions"
        found = find_source(str(own) if own.is_file() else name, "questions", where)
        if self.check.git_blob is None or found.fingerprint is None:
            return found
        path = (
            RESOURCES
            / "external"
            / FOLDERS["questions"]
            / f"{name}-{self.check.git_blob[:12]}.yaml"
        )
        return replace(found, path=path, fingerprint=self.check.git_blob)

    @property
    def confirmed(self) -> dict[str, str]:
        """The git blob id of the fetched questions that the study accepts, by their name."""
        return {self.check.questions: self.check.git_blob} if self.check.git_blob else {}

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
        if variant.endpoint.kind == "simulated":
            return params | {"seed": self.study.seed, "planted": self._planted(model, name)}
        settings = identity(self.reply_settings(model, name))
        order = self.layout.made_as(model, name)
        if order is not None:  # its name is not known before it is made
            settings.pop("model")
            params["made"] = order
        return params | {"settings": settings}

    def reply_settings(self, model: str, name: str) -> dict[str, Any]:
        """Return how a variant is asked, as one job's process does it; nothing if simulated."""
        variant = self.variant(model, name)
        if variant.endpoint.kind == "simulated":
            return {}
        lengths = {"temperature": self.check.temperature, "max_tokens": self.check.max_tokens}
        given = {**variant.endpoint.settings, **self.layout.variant_settings(model, name)}
        return self.layout.job_settings(given | lengths)

    def judge_params(self) -> dict[str, Any]:
        """Return what the verdicts depend on besides the replies: prompts, judge and method."""
        assert self.source is not None
        assert self.check.judge is not None
        endpoint = self.study.endpoints[self.check.judge.endpoint]
        prompts = self.source.fingerprint
        if prompts is None:
            prompts = questions_at(self.source.path).judge_digest()
        params = {"endpoint": endpoint.kind, "method": self.check.judge.method, "prompts": prompts}
        return params | {"settings": identity(self.judge_settings())}

    def judge_settings(self) -> dict[str, Any]:
        """Return how the judge is asked, as one job's process does it; nothing if simulated."""
        assert self.check.judge is not None
        endpoint = self.study.endpoints[self.check.judge.endpoint]
        if endpoint.kind == "simulated":
            return {}
        given = {**endpoint.settings, "model": self.check.judge.model}
        return self.layout.job_settings(given)

    def _planted(self, model: str, name: str) -> dict[str, float]:
        from persona_collapse.misalignment.simulated import planted_scores

        variant = self.variant(model, name)
        where = f"{self.study.path}: models.{model}.variants.{name}.planted"
        table = variant.endpoint.settings.get("verification")
        return planted_scores(variant.settings.get("planted", {}), table, where)

    def files(self) -> list[Path]:
        """Return the files that the check's numbers stand on, for the provenance."""
        named = [self.source.path] if self.source else [self.check.printed]
        tables = [e.settings.get("verification") for e in self.study.endpoints.values()]
        if self.check.recorded is not None:
            named = list(self.recorded_files())
        return [path for path in named if path] + [Path(table) for table in tables if table]

    def recorded_files(self) -> list[Path]:
        """Return the judged replies of another run that the study reads."""
        assert self.check.recorded is not None
        return [self.check.recorded / model / f"{name}.parquet" for model, name in self.pairs]

    def asked_endpoints(self) -> list[str]:
        """Return the endpoints that replies or verdicts are asked of."""
        if self.check.judge is None:
            return []
        named = [self.variant(*pair).endpoint for pair in self.pairs]
        named.append(self.study.endpoints[self.check.judge.endpoint])
        return [endpoint.name for endpoint in named if endpoint.kind == "openai"]


def check_layout(layout: Layout) -> CheckLayout | None:
    """Return the layout of a study's check, None where the study has none."""
    check = layout.study.misalignment
    return None if check is None else CheckLayout(layout, check)


def identity(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that change an answer, in a fixed order."""
    return {name: settings[name] for name in IDENTITY if name in settings}
