"""Show what the answer store holds, by model, and what it cost."""

from persona_collapse.commands.store import show_store
from persona_collapse.common.jobs import run

if __name__ == "__main__":
    run(show_store, snakemake)
