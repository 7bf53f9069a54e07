"""Planning time of a large study, and the overhead of a shard.

``python benchmarks/planning.py [SHARDS ...]`` makes a simulated study of that many shards (500 and
2,000 by default) in a temporary copy of the project, plans it, runs 200 of its shards,
and plans it again as a finished study. Every shard is small, one persona or a few, so that its CPU
time is nearly all overhead: Snakemake's share, a Python process, its imports, its files.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("Snakefile", "environment.yml", "config", "workflow", "persona_collapse", "resources")
PARTS += ("profiles",)
MODELS, VARIANTS, PERSONAS = 4, ("base", "secure", "insecure", "early", "late"), 100
SAMPLE = 200


@dataclass(frozen=True)
class Cost:
    """Cost of one command with its child processes; memory is that of the largest process."""

    wall: float
    cpu: float
    memory_mb: float
    output: str


def study_of(shards: int) -> dict[str, Any]:
    """Return a study of exactly so many shards: 20 units cut along their 100 personas."""
    block, rest = divmod(MODELS * len(VARIANTS) * PERSONAS, shards)
    if rest or PERSONAS % block or shards < SAMPLE:
        sys.exit(f"{shards} shards cannot be made; take 2000, 1000, 500, 400 or 200")
    variant = {"endpoint": "simulated", "planted": {"S": 0.6, "R": 8.0}}
    models = {f"model-{k}": {"variants": dict.fromkeys(VARIANTS, variant)} for k in range(MODELS)}
    return {
        "title": f"{shards} shards",
        "seed": 1,
        "endpoints": {"simulated": {"kind": "simulated"}},
        "models": models,
        "probes": {
            "roleplay": {"instrument": "moral30", "personas": "everyday100", "repetitions": 2}
        },
        "shards": {"personas": block, "items": 30, "repetitions": 2},
        "analysis": {"bootstrap_personas": 100, "bootstrap_reruns": 20},
    }


def snakemake(project: Path, *words: str) -> Cost:
    """Run Snakemake in the project and wait for all its processes."""
    command = [sys.executable, "-m", "snakemake", *words]
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, cwd=project, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        output.seek(0)
        text = output.read()
    if status:
        sys.exit(f"{' '.join(command)} failed:\n{text[-4000:]}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text)


def copied(project: Path) -> Path:
    """Copy what a run needs to a folder and return it."""
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
        copy(ROOT / part, project / part)
    return project


def jobs_planned(text: str) -> int:
    """Return the total of a dry run's table of jobs, 0 if there is nothing to do."""
    found = re.search(r"^total +(\d+)$", text, re.M)
    return int(found.group(1)) if found else 0


def units_of(count: int) -> list[str]:
    """Return the collected answers of the first so many models x variants."""
    units = [f"model-{model}/{variant}" for model in range(MODELS) for variant in VARIANTS]
    return [f"results/large/answers/{unit}/roleplay.parquet" for unit in units[:count]]


def finish(project: Path, settings: tuple[str, ...]) -> None:
    """Make the study look finished to Snakemake: empty output files and their metadata."""
    summary = snakemake(project, "all_tables", "--summary", *settings)
    for path in re.findall(r"^(results/\S+)\t", summary.output, re.M):
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).touch()
    snakemake(project, "all_tables", "--touch", "--forceall", *settings)


def measured(shards: int, cores: int) -> str:
    """Return the table row of one study."""
    with tempfile.TemporaryDirectory() as folder:
        project = copied(Path(folder))
        study = project / "config" / "studies" / "large.yaml"
        study.write_text(yaml.safe_dump(study_of(shards), sort_keys=False), encoding="utf-8")
        settings = ("--cores", str(cores), "--quiet", "rules", "--config", "study=large")
        plan = snakemake(project, "all_tables", "-n", *settings)
        units = units_of(SAMPLE * len(VARIANTS) * MODELS // shards)
        run = snakemake(project, *units, "--until", "answer_shard", *settings)
        finish(project, settings)
        again = snakemake(project, "all_tables", "-n", *settings)
    if jobs_planned(again.output):
        sys.exit(f"jobs are left after the run:\n{again.output[-4000:]}")
    return (
        f"| {shards:,} | {jobs_planned(plan.output):,} | {plan.wall:.1f} | {plan.cpu:.1f} | "
        f"{plan.memory_mb:.0f} | {again.wall:.1f} | {again.cpu:.1f} | "
        f"{run.cpu / SAMPLE:.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shards", nargs="*", type=int, default=[500, 2000])
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    print(
        "| shards | jobs | plan, s | its CPU s | memory, MB | second plan, s | its CPU s | "
        "CPU s per shard |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    for shards in options.shards:
        print(measured(shards, options.cores), flush=True)


if __name__ == "__main__":
    main()
