"""Headings of the columns of tables that are printed as they are, without a form of their own."""

# By column; a column whose heading differs in one table is there as ``<table>.<column>``.
HEADINGS = {
    "S": "S",
    "S_control": "ΔS, control, %",
    "S_corrected": "S without noise",
    "S_detectable_percent": "Detectable rise of S, %",
    "S_direct": "ΔS, target over control, %",
    "S_normal": "S of normal scores",
    "S_normal_percent": "ΔS of normal scores, %",
    "S_percent": "ΔS, %",
    "S_se": "SE of S",
    "S_target": "ΔS, target, %",
    "R": "R",
    "R_control": "ΔR, control, %",
    "R_detectable_percent": "Detectable fall of R, %",
    "R_direct": "ΔR, target over control, %",
    "R_percent": "ΔR, %",
    "R_se_percent": "SE of R, %",
    "R_target": "ΔR, target, %",
    "I2": "I², %",
    "Q": "Cochran's Q",
    "alpha": "Step to the ceiling",
    "answers": "Answers",
    "chance": "Chance",
    "change": "Change",
    "change_content": "By change of side",
    "change_mean": "Mean change",
    "change_style": "By change of style",
    "classifier": "Classifier",
    "contrast": "Contrast",
    "control": "Control",
    "definition": "Definition of S and R",
    "description": "Description",
    "distinct": "Distinct",
    "domain": "Domain",
    "energy": "Energy distance, %",
    "failures": "Failed answers",
    "fidelity": "Fidelity",
    "fidelity_observed": "Fidelity with noise",
    "information_bits": "Information, bits",
    "items": "Items",
    "kept": "Kept variance",
    "label": "Verdict",
    "left_out": "Model left out",
    "level_shift": "Shift of the level",
    "log_ratio": "Log ratio",
    "mean": "Mean",
    "measure": "Measure",
    "metric": "Metric",
    "model": "Model",
    "n": "Fine-tunes",
    "n_answers": "Answers",
    "n_items": "Items",
    "n_models": "Models",
    "n_personas": "Personas",
    "name": "Fine-tune",
    "nearest": "Nearest",
    "new": "New variance",
    "of_four": "Recognised of four",
    "p": "p",
    "percent": "Change, %",
    "persona_id": "Persona",
    "personas": "Personas",
    "prediction": "Prediction interval",
    "random_effects.prediction": "Prediction for one more model, %",
    "probe": "Probe",
    "profiles": "Profiles",
    "quantity": "Quantity",
    "recognised": "Recognised",
    "reference": "Compared with",
    "repetition": "Repetition",
    "repetitions": "Repetitions",
    "replicate": "Replicate",
    "requests": "Requests",
    "residual": "Unexplained",
    "rsa": "RSA",
    "rsa_ceiling": "Ceiling of RSA",
    "same_label": "Same verdict",
    "saturation": "Saturation",
    "sd": "SD",
    "share": "Share",
    "shift": "Shift",
    "sigma_bar": "σ̄",
    "slope": "Slope",
    "standardized_change": "Standardised change",
    "step": "Step",
    "style": "Style",
    "target": "Target",
    "tau": "τ",
    "temperature": "Temperature",
    "toxic.value": "Distance",
    "train_accuracy": "Token accuracy",
    "train_loss": "Training loss",
    "value": "Value",
    "variant": "Variant",
    "x": "First component",
    "x_sd": "SD on the first",
    "x_share": "Variance of the first",
    "y": "Second component",
    "y_sd": "SD on the second",
    "y_share": "Variance of the second",
}

# Values that are names of the code, as they are printed.
VALUES = {
    "sigma_bar": "σ̄",
    "domain_cv": "CV over domains",
    "domain_spread": "spread over domains",
}
# Columns whose other values are printed with spaces: nearest_mean is nearest mean.
CODED = ("classifier", "definition", "failures", "measure", "personas")


def heading_of(table: str, column: str) -> str:
    """Return the heading of a column: that of its table, of all tables, or its name in words."""
    named = HEADINGS.get(f"{table}.{column}") or HEADINGS.get(column)
    words = column.replace("_", " ")
    return named or words[:1].upper() + words[1:]


def value_of(column: str, value: str) -> str:
    """Return a value of a column in words, where it is a name of the code."""
    if column in CODED:
        value = value.replace("_", " ")
    return VALUES.get(value, value) if column in ("metric", "quantity") else value
