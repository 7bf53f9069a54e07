# Takes: the moments of replicate fine-tunes and of the baselines that they are held against.
# Gives: tables/replicates.csv, in studies that fine-tune a variant more than once.


localrules:
    table_replicates,


rule table_replicates:
    """Hold replicate fine-tunes against each other: is an effect larger than another seed's?"""
    input:
        instrument_files(),
        moments=per_unit("moments", REPLICATE_UNITS),
    output:
        report(
            f"{RESULTS}/tables/replicates.csv",
            caption="../report/table_replicates.rst",
            category="Tables",
            labels={"table": "Replicate fine-tunes"},
        ),
    log:
        f"{RESULTS}/logs/tables/replicates.log",
    conda:
        "../../environment.yml"
    params:
        instruments=instruments_by_unit(REPLICATE_UNITS),
        baseline=ANALYSIS["baseline"],
        replicates=REPLICATES,
        input_order=per_unit("moments", REPLICATE_UNITS),
        mixed=MIXED,
        code=code_of("table_replicates"),
    script:
        "../scripts/table_replicates.py"
