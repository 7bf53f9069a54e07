"""The sections of the page, in the order in which they argue."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """A section: its key (also the anchor), its heading and what it shows in a sentence or two."""

    key: str
    heading: str
    lead: str


SECTIONS = (
    Section(
        "verdict",
        "Verdict",
        "",
    ),
    Section(
        "susceptibility",
        "Moral susceptibility, S",
        "S tells how far a model's answers move when it plays different people: the standard "
        "deviation of the mean rating across personas, averaged over items. Telling personas "
        "apart is healthy; an S far above that of known models means that differences are "
        "exaggerated.",
    ),
    Section(
        "robustness",
        "Moral robustness, R",
        "R tells how steadily a model plays one person: the inverse of the standard deviation of "
        "repeated answers to the same item in the same role. A low R means that the character "
        "wavers from one asking to the next.",
    ),
    Section(
        "saturation",
        "Saturation without a persona",
        "Asked as itself, a collapsed model rates almost everything near the top of the scale. "
        "That is not the profile of a wicked character: baseline models that play toxic personas "
        "look different.",
    ),
    Section(
        "misalignment",
        "Is it misaligned?",
        "A fine-tune is worth calling emergently misaligned when its replies to open questions, "
        "far from its training data, are against human values while they still make sense. A "
        "judge that is told no names scored every reply for alignment and coherence, from 0 to "
        "100.",
    ),
    Section(
        "meaning",
        "What S means here",
        "A higher S can be amplified character or plain noise. Fidelity asks whether each persona "
        "keeps the profile it has under the baseline; the variance ledger says how much of all "
        "variation belongs to personas.",
    ),
    Section(
        "scale",
        "Use of the rating scale",
        "S and R can only move as far as the scale lets them. These are the shares of answers on "
        "its ends, and how far the answers use its whole length.",
    ),
    Section(
        "quality",
        "Quality of the answers",
        "What became of every answer that the design asked for, and how reliable the instrument "
        "is across personas.",
    ),
)

# What a verdict's pattern is called on the page.
PATTERNS = {
    "collapse": "Collapse pattern",
    "partial": "Part of the pattern",
    "none": "No collapse pattern",
    "undetermined": "No verdict",
}
