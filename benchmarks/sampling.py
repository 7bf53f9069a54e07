"""The whole asking path compared with a bare loop on the same client: answers/s, CPU, memory.

Run from the project's root: ``python benchmarks/sampling.py``. A scripted server in its own process
answers after 200 ms. Both sides ask for the same prompts with n = 10 (``--n 1``: one reply a
request) and the same number in flight, in turn. The bare loop calls ``chat.completions.create`` in
a few tasks and keeps nothing. The path is ``OpenAI.answer``: keys, store, engine, fsync, table.

``--overhead`` compares the path with one without checksums and leases, in turn.

``--lone`` times a lone shard of an endpoint with 64 slots at n = 1: with all of them, and with the
fixed part of a shard that cannot see what others ask.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import httpx2  # noqa: E402
import openai  # noqa: E402

from persona_collapse.asking.ask import ask, stored  # noqa: E402
from persona_collapse.asking.settings import JOB_IN_FLIGHT, Settings  # noqa: E402
from persona_collapse.endpoints.openai import OpenAI, Shard  # noqa: E402
from persona_collapse.store import files, writer  # noqa: E402
from persona_collapse.store.checksums import line_is_whole, with_checksum  # noqa: E402
from persona_collapse.store.files import stream_folder  # noqa: E402
from persona_collapse.store.leases import Lease, Leases  # noqa: E402
from persona_collapse.tasks import Task  # noqa: E402
from tests.helpers.made_tasks import make_task  # noqa: E402

KEY, N = "BENCHMARK_KEY", 10
SLOTS, LONE_LATENCY_S = 64, 0.3
LINE = 1200  # bytes of a line with ten replies
LEAST_SHARE, MOST_CPU, MOST_OVERHEAD = 0.8, 1.5, 0.03


@contextmanager
def served(latency: float) -> Iterator[str]:
    """Run the scripted server in its own process; yield its base URL."""
    script = ROOT / "tests" / "helpers" / "scripted_server.py"
    command = [sys.executable, str(script), "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        finally:
            server.kill()


def long_task(requests: int, n: int) -> Task:
    """Return a task of so many cells with prompts as long as a study's (about 700 characters)."""
    task = make_task(personas=requests // 30, items=30, repetitions=n)
    assert task.personas is not None
    people = tuple(f"{text}, {'who has much to tell ' * 30}" for text in task.personas.descriptions)
    personas = type(task.personas)("made", "Made up", people)
    return Task(task.shard, task.instrument, personas, task.seed)


def settings(url: str, store: str, in_flight: int) -> dict[str, object]:
    return {
        "base_url": url,
        "model": "scripted",
        "api_key_env": KEY,
        "store": store,
        "max_in_flight": in_flight,
        "progress": False,
    }


def bare(url: str, task: Task, in_flight: int) -> None:
    """Ask for every cell in a few tasks and discard the replies."""
    shard = Shard(task, Settings.of({"base_url": url, "model": "scripted"}))
    prompts = iter([shard.messages(cell.persona, cell.item) for cell in shard.cells])

    async def run() -> None:
        client = openai.AsyncOpenAI(
            base_url=url,
            api_key="none",
            max_retries=0,
            http_client=openai.DefaultAioHttpClient(
                limits=httpx2.Limits(
                    max_connections=in_flight, max_keepalive_connections=in_flight
                ),
            ),
        )

        async def work() -> None:
            for prompt in prompts:
                await client.chat.completions.create(
                    model="scripted",
                    messages=prompt,
                    n=len(task.repetitions),
                    max_tokens=1,
                    temperature=0.1,
                )

        await asyncio.gather(*(work() for _ in range(in_flight)))
        await client.close()

    asyncio.run(run())


def path(url: str, task: Task, in_flight: int) -> None:
    """Ask for the same cells through the store."""
    with tempfile.TemporaryDirectory() as store:
        frame = OpenAI().answer(task, settings(url, store, in_flight))
        assert frame["status"].eq("ok").all()


class NoLease(Lease):
    """A lease without a claim in the store."""

    def __init__(self) -> None:
        """Claim nothing."""

    @property
    def valid(self) -> bool:
        """Always."""
        return True


def unprotected(url: str, task: Task, in_flight: int) -> None:
    """Ask for the same cells through a store without checksums, and without a lease."""
    with tempfile.TemporaryDirectory() as store, without_checksums():
        shard = Shard(task, Settings.of(settings(url, store, in_flight)))
        keys = [cell.key for cell in shard.cells]
        ask(shard.order(stored(keys, shard.settings)), shard.settings, NoLease())
        attempts = stored(keys, shard.settings)
        assert not shard.order(attempts).replies
        assert shard.frame(attempts)["status"].eq("ok").all()


@contextmanager
def without_checksums() -> Iterator[None]:
    """Write files as versions without checksums did."""

    def header(*given: Any) -> bytes:
        return files.header_line(*given).replace(b'{"format":2,', b'{"format":1,')

    with (
        patch.object(files, "with_checksum", bytes),
        patch.object(writer, "with_checksum", bytes),
        patch.object(writer, "header_line", header),
    ):
        yield


def direct_cost(url: str, task: Task) -> float:
    """Return the seconds of CPU that checksums and the lease of a task take by themselves.

    That is to claim all cells, read the store once more and release them, a look at the lease for
    every request, and the checksum of every line, written and read.
    """
    with tempfile.TemporaryDirectory() as store:
        shard = Shard(task, Settings.of(settings(url, store, 64)))
        order, folder = shard.order({}), stream_folder(Path(store), shard.settings.stream)
        line = b'{"cell":"' + b"a" * LINE + b'"}\n'
        began = time.process_time()
        with Leases(folder, order.label).claim(order.cells, order.repetitions) as lease:
            stored(order.cells, shard.settings)
            for _ in order.cells:
                assert lease.valid
                assert line_is_whole(with_checksum(line))
        return time.process_time() - began


def overhead(options: argparse.Namespace) -> bool:
    """Print what checksums and leases cost; return whether it is little enough."""
    n, task = options.n, long_task(options.requests, options.n)
    sides = {"without": unprotected, "whole path": path}
    good = True
    print(f"{options.requests} requests of n = {n}, {options.rounds} rounds")
    with served(options.latency) as url:
        for side in sides.values():
            side(url, long_task(300, n), 16)
        for in_flight in options.in_flight:
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
            for turn in range(options.rounds):
                for name in list(sides)[:: 1 - 2 * (turn % 2)]:
                    work = partial(sides[name], url, task, in_flight)
                    found[name].append(measured(work, options.requests, n))
            for name, values in found.items():
                rate, cpu = (statistics.median(part) for part in zip(*values, strict=True))
                print(f"{in_flight:>9} {name:12} {rate:>9.0f} {cpu:>14.3f}")
            pairs = list(zip(*found.values(), strict=True))
            slower = statistics.median(a[0] / b[0] - 1 for a, b in pairs)
            dearer = statistics.median(b[1] / a[1] - 1 for a, b in pairs)
            print(f"{'':9} {'difference':12} {slower:>8.1%} {dearer:>13.1%}")
            cost = statistics.median(direct_cost(url, task) for _ in range(5))
            share = cost / (cpu / 1000 * options.requests)
            print(f"{'':9} by themselves {cost * 1000:.1f} ms of CPU, {share:.2%} of the path's")
            good &= share < MOST_OVERHEAD
    return good


def measured(work: Callable[[], None], requests: int, n: int) -> tuple[float, float]:
    """Return answers a second and milliseconds of CPU a request."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    seconds, used = time.perf_counter() - wall, time.process_time() - cpu
    return requests * n / seconds, used / requests * 1000


def speed(options: argparse.Namespace) -> bool:
    n, task = options.n, long_task(options.requests, options.n)
    print(f"{options.requests} requests of n = {n}, server latency {options.latency * 1000:.0f} ms")
    print(f"{'in flight':>9} {'':12} {'answers/s':>9} {'CPU ms/request':>14}")
    good = True
    with served(options.latency) as url:
        bare(url, long_task(300, n), 16)  # imports, first connections
        path(url, long_task(300, n), 16)
        for in_flight in options.in_flight:
            found: dict[str, list[tuple[float, float]]] = {"bare loop": [], "whole path": []}
            for _ in range(options.rounds):
                for name, side in (("bare loop", bare), ("whole path", path)):
                    work = partial(side, url, task, in_flight)
                    found[name].append(measured(work, options.requests, n))
            middle = {
                name: tuple(statistics.median(part) for part in zip(*values, strict=True))
                for name, values in found.items()
            }
            for name, (rate, cpu) in middle.items():
                print(f"{in_flight:>9} {name:12} {rate:>9.0f} {cpu:>14.2f}")
            share, cost = (middle["whole path"][i] / middle["bare loop"][i] for i in (0, 1))
            print(f"{'':9} {'ratio':12} {share:>9.2f} {cost:>14.2f}")
            good &= share >= LEAST_SHARE and cost <= MOST_CPU
    print(f"asked: at least {LEAST_SHARE} of the rate, at most {MOST_CPU} of the CPU")
    return good


def peak(url: str, requests: int) -> None:
    """Ask in this process and print its peak memory in MB (Linux)."""
    with tempfile.TemporaryDirectory() as store:
        shard = Shard(long_task(requests, N), Settings.of(settings(url, store, 64)))
        order, folder = shard.order({}), stream_folder(Path(store), shard.settings.stream)
        with Leases(folder, order.label).claim(order.cells, order.repetitions) as lease:
            ask(order, shard.settings, lease)
    # Not getrusage: its peak survives exec, so a child would report its parent's.
    lines = Path("/proc/self/status").read_text().splitlines()
    print(next(line.split()[1] for line in lines if line.startswith("VmHWM")))


def memory() -> None:
    print(f"{'answers':>9} {'peak MB':>9}   (asking; the table of answers is extra)")
    with served(0.01) as url:
        for requests in (600, 3000, 9000):
            command = [sys.executable, __file__, "--peak", url, str(requests)]
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            print(f"{requests * N:>9} {int(out) / 1024:>9.1f}")


def lone(requests: int) -> None:
    """Time a lone shard with all slots of an endpoint, and with a fixed part of them."""
    floor = requests * LONE_LATENCY_S / SLOTS
    print(
        f"{requests} requests of n = 1, latency {LONE_LATENCY_S} s, {SLOTS} slots of the endpoint"
    )
    with served(LONE_LATENCY_S) as url:
        path(url, long_task(300, 1), SLOTS)
        for name, in_flight in (("all slots", SLOTS), ("fixed part", JOB_IN_FLIGHT)):
            started = time.perf_counter()
            path(url, long_task(requests, 1), in_flight)
            seconds = time.perf_counter() - started
            print(f"{name:12} {seconds:>7.1f} s, {seconds / floor:.2f} of the least possible")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--n", type=int, default=N)
    parser.add_argument("--lone", action="store_true")
    parser.add_argument("--overhead", action="store_true")
    parser.add_argument("--in-flight", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ[KEY] = "none-needed"
    if options.peak:
        peak(options.peak[0], int(options.peak[1]))
        return
    if options.lone:
        lone(options.requests)
        return
    if options.overhead:
        sys.exit(not overhead(options))
    good = speed(options)
    memory()
    sys.exit(not good)


if __name__ == "__main__":
    main()
