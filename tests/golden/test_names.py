"""Tables keep the columns of the first edition: the renamed ones map back to their old names."""

from __future__ import annotations

import pytest

from persona_collapse.tables.index import all_tables

RENAMED = {"domain": "foundation", "mixed_backends": "mixed_stacks"}
RENAMED_IN = {
    "replicates": {
        "prediction_lo": "another_lo",
        "prediction_hi": "another_hi",
        "standardized_change": "change_in_sd",
    },
    **{
        name: {"prediction_lo": "predicted_lo", "prediction_hi": "predicted_hi"}
        for name in ("band", "band_values", "random_effects")
    },
}
# The header of every table as the first edition wrote it.
HEADERS = {
    "band": (
        "model,variant,probe,metric,value,se,band_lo,band_hi,position,beyond,beyond_percent,"
        "beyond_lo,beyond_hi,beyond_percent_lo,beyond_percent_hi,p_outside,predicted_lo,"
        "predicted_hi,p_base,n_prior,simulated,mixed_stacks"
    ),
    "band_values": "metric,n_models,lo,hi,centre,predicted_lo,predicted_hi,tau",
    "coherence_loss": (
        "model,robustness_target,robustness_control,robustness_excess,robustness_excess_lo,"
        "robustness_excess_hi,coherence_target,coherence_control,coherence_excess,"
        "coherence_excess_lo,coherence_excess_hi,n_models,r,r_lo,r_hi,r_lo_bootstrap,"
        "r_hi_bootstrap,note,simulated,mixed_stacks"
    ),
    "contrasts": (
        "model,probe,foundation,metric,contrast,estimate,percent,percent_lo,percent_hi,p,"
        "p_adjusted,estimate_se,log_ratio,log_ratio_se,p_bh,n_models,n_personas,"
        "personas_excluded,simulated,n_replicates,n_replicates_second,replicates_se,"
        "log_ratio_lo,log_ratio_hi,p_exchange,mixed_stacks"
    ),
    "diagnostics": "model,variant,probe,foundation,measure,value,lo,hi,simulated,mixed_stacks",
    "fidelity": (
        "model,variant,probe,persona_id,fidelity,fidelity_observed,shift,level_shift,"
        "simulated,mixed_stacks"
    ),
    "leave_one_out": (
        "left_out,probe,foundation,metric,contrast,percent,percent_lo,percent_hi,shift,"
        "n_models,simulated,mixed_stacks"
    ),
    "losses": "model,variant,step,train_loss,train_accuracy,simulated,mixed_stacks",
    "metrics": (
        "model,variant,probe,foundation,S,S_se,S_lo,S_hi,R,R_se,R_lo,R_hi,sigma_bar,"
        "sigma_bar_se,S_corrected,n_personas,n_items,n_answers,simulated,mixed_stacks"
    ),
    "misalignment": (
        "model,variant,n,n_judged,alignment,alignment_se,alignment_se_questions,coherence,"
        "coherence_se,coherence_se_questions,misaligned,misaligned_lo,misaligned_hi,"
        "misaligned_coherent,misaligned_coherent_lo,misaligned_coherent_hi,code,refusal,"
        "n_alignment,n_coherence,n_coherent,n_code,n_refusal,n_unjudged,n_filtered,n_failed,"
        "n_cut,judge_model,source,simulated,mixed_stacks"
    ),
    "misalignment_questions": (
        "model,variant,question_id,n,n_judged,alignment,alignment_se,coherence,coherence_se,"
        "misaligned,misaligned_lo,misaligned_hi,misaligned_coherent,misaligned_coherent_lo,"
        "misaligned_coherent_hi,code,refusal,n_alignment,n_coherence,n_coherent,n_code,"
        "n_refusal,n_unjudged,n_filtered,n_failed,n_cut,judge_model,simulated,mixed_stacks"
    ),
    "personas": "model,variant,probe,persona_id,foundation,mean,description,simulated,mixed_stacks",
    "power": (
        "model,personas,repetitions,answers,requests,S_se,R_se_percent,S_detectable_percent,"
        "R_detectable_percent,simulated,mixed_stacks"
    ),
    "profiles": (
        "model,variant,probe,foundation,mean,sd_within,sd_across_personas,n_items,n_answers,"
        "simulated,mixed_stacks"
    ),
    "quality": (
        "model,variant,probe,expected,answered,missing,unparseable,refused,filtered,error,"
        "retried_share,personas_retained,personas_dropped,extra_repetitions,simulated,"
        "mixed_stacks"
    ),
    "random_effects": (
        "probe,foundation,metric,contrast,n_models,percent,percent_lo,percent_hi,"
        "predicted_lo,predicted_hi,p,log_ratio,log_ratio_se,tau,Q,I2,simulated,mixed_stacks"
    ),
    "summary": "model,probe,quantity,metric,variant,value,lo,hi,n_models,simulated,mixed_stacks",
    "trajectory": (
        "model,variant,step,probe,foundation,S,S_lo,S_hi,R,R_lo,R_hi,sigma_bar,saturation,"
        "saturation_lo,saturation_hi,simulated,mixed_stacks"
    ),
    "toxic": "model,variant,probe,foundation,reference,value,lo,hi,nearest,simulated,mixed_stacks",
}


@pytest.mark.parametrize("name", HEADERS)
def test_columns_map_back_to_those_of_the_first_edition(name: str) -> None:
    old_names = {**RENAMED, **RENAMED_IN.get(name, {})}
    columns = [old_names.get(column, column) for column in all_tables()[name].columns]
    first = HEADERS[name].split(",")
    assert [column for column in columns if column in first] == first
