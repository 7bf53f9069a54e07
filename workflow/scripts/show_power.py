"""Show the plan: the cheapest design that suffices, and what every other design can detect."""

from persona_collapse.commands.power import show_power
from persona_collapse.common.jobs import run

if __name__ == "__main__":
    run(show_power, snakemake)
