# Takes: the names of all files that a study makes.
# Gives: one target per stage, so that a study can be run as far as it is wanted.


localrules:
    all_resources,
    all_finetunes,
    all_answers,
    all_moments,
    all_metrics,
    all_tables,


rule all_resources:
    """Every instrument and persona set of the study, fetched where it is not bundled."""
    input:
        instrument_files(),
        persona_files(),


rule all_finetunes:
    """Every variant that the study makes: its model's id and its loss curve."""
    input:
        [path for *_, path in loss_files()],


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


# What takes a second or two is not worth a cluster's queue: it runs beside snakemake itself.
localrules:
    table_temperature,
    table_metrics,
    table_quality,
    table_profiles,
    table_band,
    headlines,
    table_diagnostics,
    table_fidelity,
    table_toxic,
    table_logprobs,
    table_power,
    figure_collapse_bars,
    figure_prior_band,
    figure_robustness_map,
    figure_saturation_radars,
    figure_toxic_radars,
    figure_noise_change,
    figure_foundation_heatmap,
    figure_foundation_dots,
    figure_quality_bars,
    figure_rating_distributions,
    figure_persona_fidelity,
    figure_variance_ledger,
    figure_toxic_distances,
    figure_temperature_curves,
    figure_power_curves,
    figure_band_distribution,
    render_table,
    provenance,
    report_page,
    table_trajectory,
    figure_trajectory,
    fetch_dataset,
    table_losses,
    figure_loss_curves,
