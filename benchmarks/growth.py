"""CPU time of a run against the number of personas, including Snakemake's own share.

``python -m benchmarks.growth [FACTOR]`` runs the study ``quick`` in a temporary copy of the project
with its 40 personas, then with FACTOR times as many (16 by default), in shards of the
same size. Both should grow by FACTOR at most.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from benchmarks.planning import copied, jobs_planned

PERSONAS = 40
TICK = os.sysconf("SC_CLK_TCK")


def cpu(project: Path, *words: str) -> tuple[float, float]:
    """Run Snakemake; return the CPU seconds of all its processes, and those of its own process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--quiet", "all", *words], cwd=project
    )
    # The ended process is still listed, with its own times apart from its children's.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    stat = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    own, others = (sum(map(int, stat[start : start + 2])) / TICK for start in (11, 13))
    if process.wait():
        sys.exit("the run failed")
    return own + others, own


def measured(project: Path, personas: int, cores: int) -> tuple[int, float, float]:
    """Return jobs, CPU seconds, and Snakemake's own, of ``quick`` with so many personas."""
    study = yaml.safe_load((project / "config/studies/quick.yaml").read_text(encoding="utf-8"))
    people = [f"Person {number}, who lives in house {number}." for number in range(personas)]
    source = {"licence": "CC0-1.0", "source": "generated", "personas": people}
    texts = project / f"people{personas}.yaml"
    texts.write_text(yaml.safe_dump({"name": texts.stem, "title": texts.stem, **source}))
    study["probes"]["roleplay"] |= {"personas": texts.name, "persona_count": personas}
    name = f"growth{personas}"
    (project / f"config/studies/{name}.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    words = ("--cores", str(cores), "--config", f"study={name}")
    plan = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--quiet", "rules", *words],
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
    )
    return jobs_planned(plan.stdout + plan.stderr), *cpu(project, *words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("factor", nargs="?", type=int, default=16)
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = copied(Path(folder))
        rows = [
            (personas, *measured(project, personas, options.cores))
            for personas in (PERSONAS, PERSONAS * options.factor)
        ]
    print("| personas | jobs | CPU, s | Snakemake's own, s |\n|---:|---:|---:|---:|")
    for personas, jobs, total, own in rows:
        print(f"| {personas:,} | {jobs:,} | {total:.1f} | {own:.1f} |")
    (_, jobs, total, own), (_, more_jobs, more_total, more_own) = rows
    print(f"| times | {more_jobs / jobs:.1f} | {more_total / total:.1f} | {more_own / own:.1f} |")


if __name__ == "__main__":
    main()
