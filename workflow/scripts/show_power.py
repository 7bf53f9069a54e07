"""Show the plan: the cheapest design that suffices, and what every other design can detect."""

from pathlib import Path

from persona_collapse.common.jobs import run
from persona_collapse.measures.power import power_text
from persona_collapse.tables import read
from persona_collapse.tables.contracts.power import TABLE


def show_power(power: str, S_percent: float, R_percent: float) -> None:
    """Print the plan of ``tables/power.csv`` to detect a rise of S and a fall of R, in percent."""
    table = read(TABLE, Path(power))
    if table.is_empty():
        print("No plan: no baseline has the spread that it could start from; see the log.")
        return
    print(power_text(table, S_percent, R_percent))
    print(f"\nAll numbers: {power}")


if __name__ == "__main__":
    run(show_power, snakemake)
