"""Show what the answer store holds, by model, and what it cost."""

from persona_collapse.commands.store import show_store
from persona_collapse.common.jobs import reported

if __name__ == "__main__":
    with reported(snakemake.log[0]):
        show_store(store=snakemake.params.store, prices=snakemake.params.prices)
