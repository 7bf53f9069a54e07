"""What recorded answers may be about, how they are read, and what is found for each row."""

from dataclasses import dataclass

from persona_collapse.layouts.keys import Layout
from persona_collapse.layouts.ratings import MASS, MEAN, READ, SHARES
from persona_collapse.layouts.tables import Records
from persona_collapse.materials.instruments import Instrument
from persona_collapse.materials.personas import PersonaSet

PERSONA, ITEM_LABEL, VALUE = "\tpersona", "\titem", "\tvalue"  # made of several columns
# What is found for a row, under names that no file has.
FOUND = {
    "persona_id": "\tpersona_id",
    "item_id": "\titem_id",
    "repetition": "\trepetition",
    "rating": READ,
    "mean_rating": MEAN,
    "probabilities": SHARES,
    "rating_mass": MASS,
}


@dataclass(frozen=True)
class Design:
    """What answers may be about; ``repetitions`` are the designed ones, None if unknown."""

    instrument: Instrument
    personas: PersonaSet | None
    probe: str
    repetitions: int | None


@dataclass(frozen=True)
class Reading:
    """How the rows of some files become answers; ``columns`` has the column of each part."""

    records: Records
    columns: dict[str, str]
    layout: Layout
    design: Design
