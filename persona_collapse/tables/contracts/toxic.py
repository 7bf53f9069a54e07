"""Contract of ``toxic.csv``."""

from persona_collapse.tables import DOMAIN, SIMULATED, UNIT, Table, ends, flag, number, text

TABLE = Table(
    "toxic",
    title="Distance of unconditioned profiles to other profiles",
    section="saturation",
    keys=("model", "variant", "probe", "reference"),
    columns=[
        *UNIT,
        DOMAIN,
        text("reference", "Profile compared with: `base`, a toxic persona, or `ceiling`."),
        number("value", "Euclidean distance over the domains, in scale points."),
        *ends("", "its 95 % interval."),
        flag("nearest", "Whether this reference is the nearest."),
        SIMULATED,
    ],
    condition="unconditioned",
    note="Euclidean distance over the domains, in scale points.",
)
