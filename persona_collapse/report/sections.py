"""The sections of the page, in order."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """A section: its key (also the anchor), its heading, and an introduction of a few sentences.

    A ``qualified`` heading begins with the instrument's construct: "Moral susceptibility, S".
    """

    key: str
    heading: str
    lead: str
    qualified: bool = False


SECTIONS = (
    Section("verdict", "Verdict", ""),
    Section(
        "susceptibility",
        "Susceptibility, S",
        "S measures how much a model's answers differ between personas: the standard deviation of "
        "the mean rating across personas, averaged over items. Some difference is healthy; an S "
        "far above that of earlier models means that differences are exaggerated.",
        qualified=True,
    ),
    Section(
        "robustness",
        "Robustness, R",
        "R measures how consistently a model plays one persona: the inverse of the standard "
        "deviation of repeated answers to the same item under the same persona. A low R means "
        "that answers change from one repetition to the next.",
        qualified=True,
    ),
    Section(
        "saturation",
        "Saturation without a persona",
        "Without a persona, a collapsed model rates almost everything near the top of the scale. "
        "That is not the profile of a villain: baseline models that play toxic personas look "
        "different.",
    ),
    Section(
        "misalignment",
        "Is it misaligned?",
        "A fine-tune is emergently misaligned when its replies to open questions, unrelated to "
        "its training data, conflict with human values and are still coherent. A blinded judge "
        "scored every reply for alignment and coherence, from 0 to 100.",
    ),
    Section(
        "meaning",
        "What S means here",
        "A higher S can come from amplified characters or from noise. Fidelity measures whether "
        "each persona keeps the profile it has under the baseline; variance components show how "
        "much of the total variance is due to personas.",
    ),
    Section(
        "scale",
        "Use of the rating scale",
        "The rating scale limits how far S and R can move. These are the shares of answers at "
        "its ends, and how much of the scale the answers use.",
    ),
    Section(
        "quality",
        "Quality of the answers",
        "The outcome of every designed answer, and the reliability of the instrument across "
        "personas.",
    ),
)

# Labels of the verdicts' patterns.
PATTERNS = {
    "collapse": "Collapse pattern",
    "partial": "Part of the pattern",
    "none": "No collapse pattern",
    "undetermined": "No verdict",
}
