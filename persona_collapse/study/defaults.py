"""What holds where a study file says nothing: sampling, shards, analysis, planning."""

from __future__ import annotations

SAMPLING = {
    "temperature": 0.1,
    "method": "repeats",
    "max_attempts": 10,
    "late_max_tokens": 64,
    "askings": 1,
    "temperature_grid": [0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5],
}
BLOCKS = {"personas": 25, "items": 30, "repetitions": 10}
ANALYSIS = {
    "bootstrap_personas": 2000,
    "bootstrap_reruns": 400,
    "bootstrap_diagnostics": 1000,
    "permutations": 9999,
    "baseline": "base",
    "control": "secure",
    "target": "insecure",
    "roleplay_probe": "roleplay",
    "unconditioned_probe": "unconditioned",
    "toxic_probe": "toxic",
    "toxic_printed": None,
    "band": None,
}
POWER = {
    "personas": [25, 50, 100, 200, 400],
    "repetitions": [2, 3, 5, 10, 20],
    "S_percent": 20,
    "R_percent": 20,
    "one_request": True,
    "planted": None,
}
