"""What a run shows: one calm block while it works, each error once, and verdicts at its end.

The workflow gives log records with plain attributes and the jobs of the run; nothing here knows
Snakemake. ``handler`` reads the records, ``tally`` counts, ``screen`` writes to the terminal.
"""
