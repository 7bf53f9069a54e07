"""Time the first reading of a recorded CSV, and the memory that it takes.

    nice -n -5 python -m benchmarks.recorded [rows]

Five million answers by default: 100 personas x 30 items, one row per answer in the columns of the
published CSV. ``plain`` has one-digit replies, ``quoted`` replies with commas and quotes, which
Polars' parser does not read by the rules that recorded files need.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PERSONAS, ITEMS = 100, 30
REPLIES = {"plain": "{0}", "quoted": '"My answer, as ""me"", is {0}."'}


def write(path: Path, reply: str, repetitions: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("persona_id,question_id,run_index,rating,failures,response,collected_at\n")
        for run in range(1, repetitions + 1):
            for persona in range(PERSONAS):
                for item in range(1, ITEMS + 1):
                    rating = (7 * persona + 5 * item + run) % 6
                    file.write(
                        f"{persona},{item},{run},{rating},0,{reply.format(rating)},"
                        f"2026-05-01T10:{run % 60:02d}:{item:02d}Z\n"
                    )


def read(path: Path, repetitions: int) -> None:
    from persona_collapse.layouts.design import Design
    from persona_collapse.layouts.keeping import kept_answers
    from persona_collapse.materials.instruments import read_instrument
    from persona_collapse.materials.personas import read_personas

    instrument = read_instrument(Path("resources/instruments/moral30.yaml"))
    personas = read_personas(Path("resources/personas/everyday100.yaml"))
    design = Design(instrument, personas, "roleplay", repetitions)
    wall, cpu = time.perf_counter(), time.process_time()
    _, outcome = kept_answers(path.with_suffix(".parquet"), [path], {}, None, design)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(
        f"{path.stem:8} {outcome.rated:>10,} ratings: {wall:5.1f} s of wall time, {cpu:5.1f} s of "
        f"CPU, {memory:4.2f} GB"
    )


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000_000
    repetitions = -(-rows // (PERSONAS * ITEMS))
    with tempfile.TemporaryDirectory() as folder:
        for name, reply in REPLIES.items():
            path = Path(folder, f"{name}.csv")
            write(path, reply, repetitions)
            # Each in a process of its own, for its memory.
            code = "import sys; from pathlib import Path; from benchmarks.recorded import read; "
            code += "read(Path(sys.argv[1]), int(sys.argv[2]))"
            subprocess.run([sys.executable, "-c", code, path, str(repetitions)], check=True)
            path.unlink()


if __name__ == "__main__":
    main()
