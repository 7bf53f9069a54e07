# Takes: the names of all files that a study makes.
# Gives: one target per stage, so that a study can be run as far as it is wanted.


localrules:
    all_answers,
    all_moments,
    all_metrics,
    all_tables,


rule all_answers:
    """Collected answers of every model x variant x probe."""
    input:
        per_unit("answers", UNITS),


rule all_moments:
    """Moments of every model x variant x probe."""
    input:
        per_unit("moments", UNITS),


rule all_metrics:
    """S, R and sigma_bar of every model x variant that was asked under personas."""
    input:
        per_unit("metrics", PERSONA_UNITS),


rule all_tables:
    """Every table of the study."""
    input:
        table_files(TABLES),
