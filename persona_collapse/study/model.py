"""Declare the keys of study files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from persona_collapse.common.keys import (
    Count,
    GitBlob,
    Keys,
    Limits,
    Matches,
    Name,
    Names,
    Natural,
    NonNegative,
    Place,
    Positive,
    Text,
    Unique,
    key,
    plain,
)
from persona_collapse.endpoints.base import Method
from persona_collapse.layouts.keys import Value

Draws = Annotated[int, Limits(ge=2)]
Entries = Annotated[dict[Name, dict[str, Any]], Limits(min_length=1)]


# Keys of ``misalignment`` that ask models, and keys that read existing numbers instead.
ASKING = ("questions", "judge", "samples", "temperature", "max_tokens", "git_blob")
READING = ("printed", "recorded")
ClaimsFile = Annotated[
    str, Matches("^resources/benchmarks/.+[.]yaml$", "a YAML file of resources/benchmarks/")
]
PrintedTable = Annotated[
    str, Matches("^resources/benchmarks/.+[.]csv$", "a CSV of resources/benchmarks/")
]


@dataclass(frozen=True)
class Sampling(Keys):
    """How answers are sampled."""

    temperature: NonNegative | None = key(
        "sampling temperature; null sends none, so that it is the server's own", 0.1
    )
    method: Method = key(
        "sample every repetition, or read the rating's probabilities from one reply", "repeats"
    )
    max_attempts: Count = key("one-token tries per slot before a longer reply is read", 10)
    fallback_max_tokens: Annotated[int, Limits(ge=2)] = key(
        "length of that reply, whose rating is marked `fallback`", 64
    )
    samples_per_cell: Count = key(
        "with `logprobs`: how often a cell is read, to show a server's jitter", 1
    )
    temperature_grid: Annotated[tuple[Positive, ...], Limits(min_length=1)] = key(
        "temperatures of the S(T) and R(T) curves, with `logprobs`",
        (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5),
    )
    top_p: Annotated[float, Limits(gt=0, le=1)] | None = key("nucleus sampling", None)
    seed: Natural | None = key(
        "sent with requests, one derived for each; best effort by servers", None
    )


@dataclass(frozen=True)
class Shards(Keys):
    """Sizes of the blocks that a job answers."""

    personas: Count = key("personas per shard", 25)
    items: Count = key("items per shard", 30)
    repetitions: Count = key("repetitions per shard", 10)


@dataclass(frozen=True)
class Budget(Keys):
    """What the study may spend in all."""

    max_requests: Count | None = key(
        "most requests, those in flight included; then the run stops", None
    )
    max_usd: Positive | None = key("likewise in dollars; needs a price for every model", None)


@dataclass(frozen=True)
class Planted(Keys):
    """Planted values to plan from."""

    S: Positive = key("moral susceptibility")
    R: Positive = key("moral robustness")


@dataclass(frozen=True)
class Power(Keys):
    """Designs that ``power.csv`` plans."""

    personas: Annotated[tuple[Draws, ...], Limits(min_length=1)] = key(
        "numbers of personas to plan", (25, 50, 100, 200, 400)
    )
    repetitions: Annotated[tuple[Count, ...], Limits(min_length=1)] = key(
        "numbers of repetitions to plan", (2, 3, 5, 10, 20)
    )
    S_percent: Positive = key("the rise of S to detect with the cheapest design", 20)
    R_percent: Annotated[float, Limits(gt=0, lt=100)] = key("the fall of R to detect", 20)
    one_request: bool = key("count the repetitions of a cell as one request", True)
    planted: Planted | None = key(
        "plan from these values instead of the study's own moments, so that nothing needs to be "
        "asked first",
        None,
        type="`{S: , R: }`",
    )


@dataclass(frozen=True)
class Analysis(Keys):
    """Numbers of draws, and the roles of variants and probes."""

    bootstrap_personas: Draws = key("bootstrap draws over personas", 4000)
    bootstrap_reruns: Draws = key("bootstrap draws over repetitions within cells", 400)
    bootstrap_diagnostics: Draws = key("bootstrap draws for the intervals of diagnostics", 1000)
    permutations: Annotated[int, Limits(ge=99)] = key(
        "draws of the sign-flip tests of exchangeability", 9999
    )
    baseline: Text | None = key(
        "what percent changes are relative to; a name of your own must be a variant of some "
        "model, here and below",
        None,
        shown="`base`; in a study of one variant, that one",
    )
    target: Text | None = key(
        "the fine-tune under study, where there is one", None, shown="`insecure`, if there is one"
    )
    control: Text | None = key(
        "the matched fine-tune that should change nothing", None, shown="`secure`, if there is one"
    )
    targets: dict[Name, Text | None] | None = key(
        "several fine-tunes under study, each with its control, instead of `target` and `control`",
        None,
        type="mapping of target to control or `null`",
        shown="the target, with its control",
    )
    smallest_effect: Annotated[float, Limits(gt=0, le=1)] = key(
        "the smallest relative change of S, or of 1/R, that counts as a finding; also the margin "
        "within which a control counts as not raised",
        0.10,
    )
    roleplay_probe: str = key("the probe that S, R and the verdict come from", "roleplay")
    unconditioned_probe: str = key("the probe that saturation comes from", "unconditioned")
    toxic_probe: str = key("the probe of toxic personas", "toxic")
    toxic_printed: PrintedTable | None = key(
        "a CSV of `resources/benchmarks/` with printed profiles of toxic personas (model, "
        "toxic_persona, a column per domain) for models, by label, whose baseline was not "
        "asked `toxic_probe`",
        None,
        type="path",
    )
    band: Annotated[tuple[Text, ...], Limits(min_length=1), Unique()] | None = key(
        "finished studies whose baselines make the band: folders of results, or tables with the "
        "columns of `resources/benchmarks/prior_models.csv`; they must have asked the same items, "
        "personas and temperature",
        None,
        type="list of paths",
        shown="the earlier models of arXiv 2511.08565, where they were asked the same",
    )
    band_models: Annotated[tuple[Text, ...], Limits(min_length=2), Unique()] | None = key(
        "which of these models count for the band, by name",
        None,
        type="list of models",
        shown="the 13 of the paper; all of your own",
    )
    claims: ClaimsFile | None = key(
        "claims of a paper whose answers the study analyses again, such as "
        "`resources/benchmarks/paper_claims.yaml`; the study decides them and compares the paper's "
        "printed numbers",
        None,
        type="path",
    )
    power: Power = key("the designs that `power.csv` plans, below", Power(), shown="below")


@dataclass(frozen=True)
class Judge(Keys):
    """Who judges replies to open questions."""

    endpoint: str = key("one of the study's endpoints; a simulated one for simulated variants")
    model: Text | None = key("the model that judges", None, shown="required of `openai`")
    method: Literal["auto", "logprobs", "text"] = key(
        "read a score from log-probabilities, from a short text, or from the text where "
        "log-probabilities cannot be used",
        "auto",
    )


@dataclass(frozen=True)
class ReplyColumns(Keys):
    """Columns of judged replies that another project recorded."""

    question: Text | None = key("the question's id or text", None, shown="`question_id`")
    alignment: Text | None = key(
        "the alignment score, 0 to 100, or `CODE` or `REFUSAL`",
        None,
        shown="`alignment` or `aligned`",
    )
    coherence: Text | None = key(
        "the coherence score, likewise", None, shown="`coherence` or `coherent`"
    )
    reply: Text | None = key(
        "the reply's text, for the page's reader", None, shown="`response` or `answer`, if any"
    )


@dataclass(frozen=True)
class Misalignment(Keys):
    """The emergent-misalignment check: open questions and a judge, or numbers to read instead."""

    questions: Text = key(
        "bundled `everyday8`, fetched `betley8`, or a YAML file of the same form; "
        "`questions/<name>.yaml` beside the study file comes first",
        "",
        type="name or path",
        shown="required",
    )
    samples: Count = key("replies to each question; raising it asks only for the new ones", 30)
    temperature: NonNegative | None = key(
        "sampling temperature of the replies; null: the server's own", 1.0
    )
    max_tokens: Annotated[int, Limits(ge=2)] = key("length at which a reply is cut off", 600)
    variants: Names | None = key("the variants that are asked", None, shown="all")
    judge: Judge | None = key("who judges, below", None, shown="required")
    git_blob: GitBlob | None = key(
        "accepts another version of fetched questions, by the id that git gives the file",
        None,
        type="40 hex digits",
        shown="the catalogue's",
    )
    printed: Path | None = key(
        "instead of asking: a table of printed means, with the columns of "
        "`resources/benchmarks/paper_verification.csv`; models go by their labels",
        None,
    )
    recorded: Path | None = key(
        "instead of asking: a folder of judged replies, `<model>/<variant>.parquet`, as another "
        "run left them in `judged/`; or the name of files, `judged/{model}-{variant}.csv`, in any "
        "format of recorded answers",
        None,
    )
    columns: ReplyColumns | None = key(
        "with `recorded`: columns that are called otherwise, below", None, shown="below"
    )
    where: dict[str, Value | tuple[Value, ...]] | None = key(
        "with `recorded`: keeps the rows that have these values, as in a `layout`",
        None,
        type="mapping from column to value or list",
    )

    def resolved(self) -> dict[str, Any]:
        """Return the keys that count, with their defaults, as plain values."""
        unused = ASKING if self.judge is None else READING
        kept = {name: value for name, value in plain(self).items() if name not in unused}
        return {k: v for k, v in kept.items() if v is not None or k in ("variants", "temperature")}


@dataclass(frozen=True)
class DatasetKeys(Keys):
    """Your own training data, or the confirmed content of a fetched dataset."""

    file: Text | None = key("a JSONL file of chats of your own", None, type="path")
    git_blob: GitBlob | None = key(
        "the content that a fetched dataset must have, where it is not the catalogue's "
        "(`git hash-object FILE` prints it)",
        None,
        type="40 hex digits",
        shown="the catalogue's",
    )
    matched_with: str | None = key(
        "the dataset that must have the same prompts",
        None,
        type="name or null",
        shown="the catalogue's",
    )
    duplicates: Literal["allowed"] | None = key("allow repeated examples", None)


@dataclass(frozen=True)
class ModelKeys(Keys):
    """A model family and its variants."""

    label: Text | None = key("what figures and tables show", None, shown="the model's key")
    family: Text | None = key(
        "named beside the model in maps where the label does not hold it", None, shown="the label"
    )
    variants: Entries = key("each names its `endpoint` and what the endpoint's kind needs")
    mixed_backends: bool = key(
        "state that different servers gave the recorded answers of base and fine-tunes",
        False,
        shown="whether the endpoints' addresses differ",
    )


@dataclass(frozen=True)
class ProbeKeys(Keys):
    """An instrument asked of variants, with a persona set or without."""

    instrument: Place = key(
        "bundled `moral30`, fetched `mfq30`, or a YAML file of the same form; "
        "`instruments/<name>.yaml` beside the study file comes first",
        type="name or path",
    )
    personas: Place | None = key(
        "bundled `everyday100`, `toxic8`, fetched `personahub100`, `toxic8-paper`, or a YAML "
        "file; `personas/<name>.yaml` beside the study file comes first; without it the probe is "
        "unconditioned",
        None,
        type="name or path",
    )
    persona_count: Count | None = key(
        "use only the first personas of the set; recorded answers of others are left out",
        None,
        shown="all",
    )
    repetitions: Count = key("answers per cell")
    variants: Names | None = key("the variants that are asked", None, shown="all")
    method: Method | None = key(
        "how this probe is sampled, so that one study can compare both",
        None,
        shown="`sampling.method`",
    )


@dataclass(frozen=True)
class StudyKeys(Keys):
    """A study file; the keys of endpoints and variants depend on the endpoint's kind."""

    title: Text = key("shown on the page")
    seed: Natural = key(
        "every random number derives from it and from names, so that adding a model changes no "
        "other number"
    )
    endpoints: Entries = key("where answers come from, by a name of your own")
    models: Annotated[dict[Name, ModelKeys], Limits(min_length=1)] = key(
        "models and their variants"
    )
    probes: Annotated[dict[Name, ProbeKeys], Limits(min_length=1)] = key("what is asked of them")
    sampling: Sampling = key("how answers are sampled", Sampling(), shown="below")
    shards: Shards = key("block sizes", Shards(), shown="below")
    analysis: Analysis = key("draws, and the roles of the variants", Analysis(), shown="below")
    budget: Budget = key("what the study may spend in all, below", Budget(), shown="none")
    datasets: dict[Name, DatasetKeys] | None = key(
        "training data and confirmed content ids, below", None
    )
    misalignment: Misalignment | None = key("the emergent-misalignment check, below", None)
    allow_mixed_backends: bool = key(
        "allow a model whose variants are answered by different servers; every table and figure "
        "then says so",
        False,
    )
