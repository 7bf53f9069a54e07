# Takes: tables/*.csv, tables/headlines.json, figures/*.svg, provenance.json, the page's templates.
# Gives: tables/<table>.{md,tex} as a paper prints them, and the self-contained report/index.html.


rule render_table:
    """Print a table as Markdown and as booktabs LaTeX, rounded, each value with its uncertainty."""
    input:
        csv=f"{RESULTS}/tables/{{table}}.csv",
    output:
        markdown=f"{RESULTS}/tables/{{table}}.md",
        latex=f"{RESULTS}/tables/{{table}}.tex",
    log:
        f"{RESULTS}/logs/tables/{{table}}_rendered.log",
    wildcard_constraints:
        table="[a-z_]+",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=500,
        runtime=5,
    params:
        models=MODELS_LOOK,
        variants=VARIANT_NAMES,
        analysis=ANALYSIS,
        code=lambda wildcards: code_of("render_table", wildcards.table),
    script:
        "../scripts/render_table.py"


rule provenance:
    """Write where the numbers come from: the resolved study, the code, versions, every file."""
    input:
        table_files(TABLES),
        files=PROVENANCE_FILES,
        questions=str(CHECK.source.path) if CHECK_ASKED else [],
    output:
        f"{RESULTS}/provenance.json",
    log:
        f"{RESULTS}/logs/provenance.log",
    conda:
        "../../environment.yml"
    params:
        study=STUDY.resolved(),
        code=code_of("provenance"),
    script:
        "../scripts/provenance.py"


rule report_page:
    """Write the report page: verdict, evidence, methods and provenance in one HTML file."""
    input:
        expand("{figure[stem]}.{form}", figure=FIGURES, form=["svg", "png"]),
        expand("persona_collapse/report/templates/page.{part}", part=["html", "css", "js"]),
        tables=table_files(TABLES),
        headlines=f"{RESULTS}/tables/headlines.json",
        provenance=f"{RESULTS}/provenance.json",
        instrument=ROLEPLAY_INSTRUMENT,
    output:
        report(
            f"{RESULTS}/report/index.html",
            caption="../report/page.rst",
            category="Report",
            labels={"page": "Verdict, evidence and methods"},
        ),
    log:
        f"{RESULTS}/logs/report/page.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        figures=FIGURES,
        models=MODELS_LOOK,
        variants=VARIANT_NAMES,
        analysis=ANALYSIS,
        code=code_of("report_page", *TABLES),
    script:
        "../scripts/report_page.py"
