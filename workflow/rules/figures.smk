# Takes: tables of the study, and its figures in persona_collapse/figures/catalogue.py.
# Gives: figures/<name>.{svg,pdf,png}.


# One job per family and condition. In a job that draws one figure, half of the CPU goes to Python's
# start and imports: one job per figure (18 in `demo`) costs 30 s, one per family (13) 26 s. One job
# for all would be cheaper still, but a change of one family would draw all others again.
for rule_name, figures in figure_rules(OUTPUTS.figures).items():
    family = figures[0].family
    tables = dict.fromkeys(table for figure in figures for table in figure.tables)

    rule:
        """Draw the figures of one family, each as SVG, PDF and PNG."""
        name:
            rule_name
        input:
            OUTPUTS.figure_tables(figures),
        output:
            [
                report(
                    f"{RESULTS}/figures/{figure.name}.svg",
                    caption="../report/figure.rst",
                    category="Figures",
                    subcategory=figure.section.capitalize(),
                    labels={"figure": figure.title},
                )
                for figure in figures
            ],
            [f"{RESULTS}/figures/{f.name}.{form}" for f in figures for form in ("pdf", "png")],
        log:
            f"{RESULTS}/logs/figures/{rule_name.removeprefix('figures_')}.log",
        localrule: True
        conda:
            "../../environment.yml"
        params:
            family=family,
            figures=OUTPUTS.figure_arguments(figures),
            look=OUTPUTS.look | {"width": FIGURE_WIDTH},
            code=code_of("figure", *tables, modules=[f"persona_collapse.figures.{family}"]),
        script:
            "../scripts/figure.py"
