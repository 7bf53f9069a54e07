"""Measure persona-model collapse: how a fine-tune changes a model's ability to play characters.

Source of the study: arXiv 2605.12850; of the metrics: arXiv 2511.08565. The package never imports
snakemake; the workflow's scripts call it with paths and plain parameters.
"""

__version__ = "0.1.0"
