"""What is simulated."""

from __future__ import annotations

from benchmarks.nights.histories import SETTLED, Plan
from benchmarks.nights.outcomes import Loss

QUIET = (
    Plan("noise alone", slow_runs=0.0, slow_nights=0.0),
    Plan("2 % of runs and 2 % of nights slow"),
    Plan("5 % of runs and 5 % of nights slow", slow_runs=0.05, slow_nights=0.05),
    Plan("the same 2 %, and two new devices", devices=(20, 40)),
    Plan("memory: constant, or jitter of bytes to 2 MiB", steady=True),
)
"""Nothing changes: every alarm is false."""

SIZES = (0.01, 0.02, 0.03, 0.05, 0.10)

STEPS = tuple(Plan(f"step of {size:.0%}", step=size, changed=0.2) for size in SIZES)
"""A fifth of the metrics slows down, each on a night of its own, and stays slow."""

HARDER = (
    Plan("step of 5 % in nights 11 to 15", step=0.05, changed=0.2, onset=(SETTLED + 3, SETTLED + 7)),
    Plan("step of 5 % of every metric on one night", step=0.05, changed=1.0, onset=(30, 30)),
    Plan("step of 5 %, 5 % of runs and nights slow", slow_runs=0.05, slow_nights=0.05, step=0.05, changed=0.2),
    Plan("step of 5 %, 4 metrics in all", step=0.05, changed=1.0, onset=(30, 30), metrics=4),
)

DRIFTS = tuple(
    Plan(f"drift of {rate:.1%} a night", drift=rate, changed=0.2, onset=(20, 25)) for rate in (0.001, 0.002, 0.005)
)

DEPENDENT = (
    Plan("noise alone, a confirmation correlates with its run by 0.5", slow_runs=0.0, slow_nights=0.0, same_base=True),
    Plan("noise alone, nights correlate with the next by 0.25", slow_runs=0.0, slow_nights=0.0, wander=0.5),
    Plan("noise alone, nights correlate with the next by 0.45", slow_runs=0.0, slow_nights=0.0, wander=0.9),
)
"""Nothing changes, but the rule's assumption that measurements are independent does not hold."""

PLANS = (*QUIET, *STEPS, *HARDER, *DRIFTS, *DEPENDENT)

LOSSES = tuple(Loss(flips, points) for points in (0.0, 0.5, 1.0) for flips in (0.01, 0.02, 0.05))
"""Share of images whose outcome changes, and points lost; without a loss every report is false."""
