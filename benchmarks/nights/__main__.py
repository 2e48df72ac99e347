"""``python -m benchmarks.nights``: simulate, and print the tables; ``--markdown FILE`` writes them as well."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.nights.outcomes import Seen, count
from benchmarks.nights.plans import LOSSES, PLANS
from benchmarks.nights.tables import markdown
from benchmarks.nights.tally import Outcome, run

SEED = 2026
HISTORIES = 20
DRAWS = 200


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the simulation."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nights", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--histories", type=int, default=HISTORIES, help="of each kind, 40 metrics and 60 nights each")
    parser.add_argument("--draws", type=int, default=DRAWS, help="of each loss of accuracy")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    outcomes, seen = simulate(options.seed, options.histories, options.draws, options.jobs, _progress)
    text = markdown(outcomes, seen)
    print(text)
    if options.markdown:
        options.markdown.write_text(text + "\n", encoding="utf-8")


def simulate(
    seed: int, histories: int, draws: int, jobs: int, report: Callable[[str], None] = lambda _: None
) -> tuple[dict[str, list[dict[str, Outcome]]], list[Seen]]:
    """Return by plan every history's outcomes, and what was seen of each loss; the same for any number of ``jobs``."""
    with ProcessPoolExecutor(jobs) as pool:
        waiting: dict[str, list[Future[dict[str, Outcome]]]] = {
            plan.name: [pool.submit(run, plan, seed, place, index) for index in range(histories)]
            for place, plan in enumerate(PLANS)
        }
        losses = [
            pool.submit(count, loss, draws, np.random.default_rng([seed, len(PLANS), place, draws]))
            for place, loss in enumerate(LOSSES)
        ]
        outcomes: dict[str, list[dict[str, Outcome]]] = {}
        for name, futures in waiting.items():
            outcomes[name] = [future.result() for future in futures]
            report(name)
        return outcomes, [future.result() for future in losses]


def _progress(name: str) -> None:
    print(name, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
