"""The simulation's outcome as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isinf

from benchmarks.nights.histories import NIGHTS, NOISES, Plan
from benchmarks.nights.outcomes import IMAGES, Loss, Seen
from benchmarks.nights.plans import DEPENDENT, DRIFTS, HARDER, QUIET, STEPS
from benchmarks.nights.tally import EARLY, OURS, Find, Outcome, false_alarms, found_within, median_delay
from harness.statistics.proportions import wilson

Outcomes = Mapping[str, Sequence[Mapping[str, Outcome]]]
"""By plan, of each history by rule."""

REFERENCE_NOISE = 0.01


def markdown(outcomes: Outcomes, seen: Sequence[Seen]) -> str:
    """Return all tables. Every plan of :mod:`benchmarks.nights.plans` has at least one history."""
    return "\n\n".join(
        (
            _false_alarms(outcomes, QUIET),
            _false_alarms(outcomes, DEPENDENT),
            _steps(outcomes),
            _by_noise(outcomes),
            _harder(outcomes),
            _drifts(outcomes),
            _losses(seen),
        )
    )


def _false_alarms(outcomes: Outcomes, plans: Sequence[Plan]) -> str:
    rows = [[rule, *(_rate(_of(outcomes, [plan], rule)) for plan in plans)] for rule in _rules(outcomes)]
    early = [f"{OURS}, nights 8 to {EARLY}", *(_rate(_of(outcomes, [plan], OURS), early=True) for plan in plans)]
    head = ["false alarms in 1,000 metric-nights", *(plan.name for plan in plans)]
    return _table(head, [rows[0], early, *rows[1:]])


def _steps(outcomes: Outcomes) -> str:
    head = ["found within two nights, at 1 % noise", *(f"{plan.step:.0%}" for plan in STEPS), "false alarms in 1,000"]
    rows = []
    for rule in _planted(outcomes):
        shares = [_share(_finds(outcomes, plan, rule, REFERENCE_NOISE), 2) for plan in STEPS]
        rows.append([rule, *shares, _rate(_of(outcomes, STEPS, rule))])
    return _table(head, rows)


def _by_noise(outcomes: Outcomes) -> str:
    head = ["step, by noise: first night / two / a week (median)", *(f"{noise:.1%}" for noise in NOISES)]
    rows = [[f"{plan.step:.0%}", *(_delays(_finds(outcomes, plan, OURS, noise)) for noise in NOISES)] for plan in STEPS]
    return _table(head, rows)


def _delays(finds: Sequence[Find]) -> str:
    shares = " / ".join(f"{100 * found_within(finds, nights) / len(finds):.0f}" for nights in (1, 2, 7))
    return f"{shares} % ({_median(finds)})"


def _harder(outcomes: Outcomes) -> str:
    head = ["at 1 % noise, found within", "one night", "two", "three", "a week", "false alarms in 1,000"]
    rows = []
    for plan in HARDER:
        finds = _finds(outcomes, plan, OURS, REFERENCE_NOISE)
        shares = [_share(finds, nights) for nights in (1, 2, 3, 7)]
        rows.append([plan.name, *shares, _rate(_of(outcomes, [plan], OURS))])
    return _table(head, rows)


def _drifts(outcomes: Outcomes) -> str:
    head = ["found (median night)", *(f"{plan.drift:.1%} a night" for plan in DRIFTS), "false alarms in 1,000"]
    rows = []
    for noise in NOISES:
        cells = [_drift(_finds(outcomes, plan, OURS, noise)) for plan in DRIFTS]
        rows.append([f"{OURS}, {noise:.1%} noise", *cells, ""])
    rows[0][-1] = _rate(_of(outcomes, DRIFTS, OURS))
    for rule in _planted(outcomes):
        if rule != OURS:
            cells = [_drift(_finds(outcomes, plan, rule, REFERENCE_NOISE)) for plan in DRIFTS]
            rows.append([f"{rule}, {REFERENCE_NOISE:.1%} noise", *cells, _rate(_of(outcomes, DRIFTS, rule))])
    return _table(head, rows)


def _drift(finds: Sequence[Find]) -> str:
    return f"{100 * found_within(finds, NIGHTS) / len(finds):.0f} % ({_median(finds)})"


def _losses(seen: Sequence[Seen]) -> str:
    head = [
        f"reported, of {IMAGES:,} images",
        OURS,
        "two independent proportions, one-sided 5 %",
        "0.5 points or more",
        "1 point or more",
    ]
    rows = [
        [_loss(one.loss), *(_wilson(k, one.draws) for k in (one.check, one.unpaired, one.half_point, one.one_point))]
        for one in seen
    ]
    return _table(head, rows)


def _loss(loss: Loss) -> str:
    lost = f"{loss.points:g} points lost" if loss.points else "nothing lost"
    return f"{lost}, {loss.flips:.0%} of the outcomes change"


def _rules(outcomes: Outcomes) -> list[str]:
    return list(outcomes[QUIET[0].name][0])


def _planted(outcomes: Outcomes) -> list[str]:
    return [rule for rule in _rules(outcomes) if "improvements" not in rule]


def _of(outcomes: Outcomes, plans: Iterable[Plan], rule: str) -> list[Outcome]:
    return [history[rule] for plan in plans for history in outcomes[plan.name] if rule in history]


def _finds(outcomes: Outcomes, plan: Plan, rule: str, noise: float) -> list[Find]:
    return [find for one in _of(outcomes, [plan], rule) for find in one.finds if find.noise == noise]


def _rate(outcomes: Sequence[Outcome], early: bool = False) -> str:
    rate = false_alarms(outcomes, early)
    digits = 0 if rate.value >= 10 else 2
    return f"{rate.value:.{digits}f} [{rate.low:.{digits}f}, {rate.high:.{digits}f}]"


def _share(finds: Sequence[Find], nights: int) -> str:
    return _wilson(found_within(finds, nights), len(finds))


def _wilson(found: int, total: int) -> str:
    low, high = wilson(found, total)
    return f"{100 * found / total:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


def _median(finds: Sequence[Find]) -> str:
    delay = median_delay(finds)
    return "most never" if isinf(delay) else f"{delay:g}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
