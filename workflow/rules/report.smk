# Takes: tables/*.csv, tables/headlines.json, figures/*.svg, provenance.json, the page's templates.
# Gives: tables/<table>.{md,tex} as a paper prints them, the self-contained report/index.html, and
# <study>.bundle.zip, which a colleague can analyse again.


rule render_table:
    """Print a table as Markdown and as booktabs LaTeX, rounded, each value with its uncertainty."""
    input:
        csv=f"{RESULTS}/tables/{{table}}.csv",
        influence=f"{RESULTS}/tables/influence.csv",
    output:
        markdown=f"{RESULTS}/tables/{{table}}.md",
        latex=f"{RESULTS}/tables/{{table}}.tex",
    log:
        f"{RESULTS}/logs/tables/{{table}}_rendered.log",
    wildcard_constraints:
        table="[a-z_]+",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        look=OUTPUTS.look,
        code=lambda wildcards: code_of("render_table", wildcards.table),
    script:
        "../scripts/render_table.py"


rule provenance:
    """Write where the numbers come from: the resolved study, the code, versions, every file."""
    input:
        OUTPUTS.table_files(),
        files=OUTPUTS.sources(),
        questions=CHECK.questions,
    output:
        f"{RESULTS}/provenance.json",
    log:
        f"{RESULTS}/logs/provenance.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        study=STUDY.resolved(),
        asked=asked_by(ANSWERS),
        code=code_of("provenance"),
    script:
        "../scripts/provenance.py"


rule pack_replies:
    """Pack the judged replies, compressed, for the page's reader."""
    input:
        judged=CHECK.judged(),
        questions=CHECK.questions,
    output:
        f"{RESULTS}/report/replies.json.gz",
    log:
        f"{RESULTS}/logs/report/replies.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        input_order=CHECK.judged(),
        recorded=CHECK.recorded_as(),
        pairs=CHECK.pairs,
        code=code_of("pack_replies"),
    script:
        "../scripts/pack_replies.py"


rule pack_answers:
    """Pack every single answer for the page's explorer."""
    input:
        MEASURES.instrument_files,
        MEASURES.persona_files,
        MEASURES.files("answers", UNITS),
        [unit["moments"] for unit in MEASURES.shown if unit["moments"]],
    output:
        f"{RESULTS}/report/answers.json.gz",
    log:
        f"{RESULTS}/logs/report/answers.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        units=MEASURES.shown,
        code=code_of("pack_answers"),
    script:
        "../scripts/pack_answers.py"


rule report_page:
    """Write the report page: verdict, evidence, methods and provenance in one HTML file."""
    input:
        OUTPUTS.figure_files(),
        sorted(map(str, Path("persona_collapse/report/templates").glob("*.*"))),
        tables=OUTPUTS.table_files(),
        headlines=f"{RESULTS}/tables/headlines.json",
        provenance=f"{RESULTS}/provenance.json",
        answers=f"{RESULTS}/report/answers.json.gz",
        replies=f"{RESULTS}/report/replies.json.gz" if CHECK.judged() else [],
    output:
        report(
            f"{RESULTS}/report/index.html",
            caption="../report/page.rst",
            category="Report",
            labels={"page": "Verdict, evidence and methods"},
        ),
    log:
        f"{RESULTS}/logs/report/page.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        figures=OUTPUTS.page_figures(),
        look=OUTPUTS.look,
        code=code_of("report_page", *OUTPUTS.tables),
    script:
        "../scripts/report_page.py"


rule bundle:
    """Pack the finished study into one archive that can be analysed again (docs/handover.md)."""
    input:
        MEASURES.instrument_files,
        MEASURES.persona_files,
        files=[
            *MEASURES.files("answers", UNITS),
            *MEASURES.files("moments", UNITS),
            *(CHECK.judged() if CHECK.source else []),
            *OUTPUTS.table_files(),
            f"{RESULTS}/tables/headlines.json",
            *OUTPUTS.printed_files(),
            *OUTPUTS.figure_files(),
            f"{RESULTS}/report/index.html",
            f"{RESULTS}/provenance.json",
        ],
    output:
        f"{RESULTS}/{STUDY.name}.bundle.zip",
    log:
        f"{RESULTS}/logs/bundle.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        plan=bundle_of(ANSWERS),
        code=code_of("bundle", *OUTPUTS.tables),
    script:
        "../scripts/bundle.py"
