"""Contract of ``response_style.csv``."""

from persona_collapse.tables import SIMULATED, UNIT, Table, ends, number, text

TABLE = Table(
    "response_style",
    title="Response style",
    section="scale",
    keys=("model", "variant", "probe", "style"),
    columns=[
        *UNIT,
        text("style", "`extreme` (ends), `midpoint` (middle), or `acquiescence` (needs keys)."),
        number("share", "Share of answers that are of the style, 0 to 1."),
        *ends("share", "its 95 % interval, over personas."),
        number("change", "Change of the share against the baseline, from -1 to 1."),
        *ends("change", "the change's 95 % interval, over the same personas."),
        number("change_style", "Part of it that answers on the same side of the scale make."),
        *ends("change_style", "that part's 95 % interval."),
        number("change_content", "Part of it that changes of side make."),
        *ends("change_content", "that part's 95 % interval."),
        SIMULATED,
    ],
    note="Extreme and midpoint responding, and how much of their change is style rather than "
    "content. Acquiescence is empty: no instrument has keys yet.",
    function="response_style.response_style_of",
    reads=("moments", "instrument", "baseline", "seed", "draws"),
)
