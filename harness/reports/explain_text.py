"""Explanations as plain sentences and rows, for the terminal and for the page."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from harness.claims.model import Claim
from harness.explain.waterfall import distance
from harness.scoring.explained import Explanation, Gap, Number, Row
from harness.wording.numbers import Shown, decimals_for, fixed, show, with_unit
from harness.wording.words import counted, metric_title

BAR = 32
"""Characters of the longest bar of the drawing."""

COLUMNS = ("convention", "option", "score, %", "change, pp", "95 % interval", "")


def table_rows(explanation: Explanation) -> list[tuple[str, ...]]:
    """Return a row for every option, under :data:`COLUMNS`."""
    rows: list[tuple[str, ...]] = []
    for row in explanation.rows:
        score, change = shown(row.score), shown(row.change, signed=True)
        if row.usual:
            rows.append((row.title, row.words, score.estimate, "", score.interval, marks(row)))
        else:
            rows.append((row.title, row.words, score.estimate, change.estimate, change.interval, marks(row)))
    return rows


def marks(row: Row) -> str:
    """Say whether an option is ours, official, and who else scores so."""
    notes = ["ours"] if row.usual else []
    notes += ["official"] if row.official else []
    return "; ".join([*notes, *([row.used_by] if row.used_by else [])])


def shown(number: Number, *, signed: bool = False) -> Shown:
    """Write a score or a change with the decimals its interval deserves."""
    if number.value is None:
        return Shown("no score")
    if number.interval is None or number.interval[0] >= number.interval[1]:
        return Shown(fixed(number.value, 2, signed=signed))
    return show(number.value, *number.interval, signed=signed)


def sentences(explanation: Explanation, *, part: bool) -> list[str]:
    """Say how much of the gap conventions explain, and how little that proves; empty without a claim.

    Args:
        part: Whether the record is of a part of the claim's images.
    """
    gap = explanation.gap
    if gap is None:
        return []
    said = [_gap(gap), *_steps(gap), *_survey(gap)]
    if part:
        said.append(
            f"These {counted(explanation.images, 'image')} are part of the claim's; which they are may make some of it."
        )
    return said


def stages(gap: Gap) -> list[tuple[str, float, str]]:
    """Return the waterfall's levels: label, number, and the change that led there with its interval."""
    fall = gap.waterfall
    levels = [("ours", fall.start, "")]
    for stage, step in zip(gap.stages, fall.steps, strict=True):
        change = shown(stage.change, signed=True)
        levels.append((f"{stage.title}: {stage.words}", step.after, f"{change.estimate} {change.interval}".strip()))
    rest = f"{signed(fall.rest, gap)} unexplained" if distance(fall.end, fall.target) else "rounds to the print"
    return [*levels, (printed(gap.claim), float(fall.target.middle), rest)]


def drawing(gap: Gap) -> list[str]:
    """Draw the waterfall in characters, one line a level."""
    levels = stages(gap)
    numbers = [number for _, number, _ in levels]
    low, width = min(numbers), max(numbers) - min(numbers)
    label = max(len(name) for name, _, _ in levels)
    lines = []
    previous = numbers[0]
    for name, number, note in levels:
        ends = sorted(_place(value, low, width) for value in (previous, number))
        bar = " " * ends[0] + ("█" * (ends[1] - ends[0]) or "│")
        lines.append(f"{name:<{label}}  {fixed(number, _decimals(gap)):>8}  {bar:<{BAR + 1}}  {note}".rstrip())
        previous = number
    return lines


def printed(claim: Claim) -> str:
    """Name a claim's number: ``printed (t1/drn-c-26/miou)``."""
    return f"printed ({claim.id})"


def signed(value: Fraction, gap: Gap) -> str:
    """Write a difference in percentage points, one digit finer than the print."""
    return with_unit(fixed(float(value), _decimals(gap), signed=True), "pp")


def _place(value: float, low: float, width: float) -> int:
    return round(BAR * (value - low) / width) if width > 0 else 0


def _decimals(gap: Gap) -> int:
    return max(decimals_for(float(gap.waterfall.target.width)), 2) if gap.waterfall.target.width else 2


def _gap(gap: Gap) -> str:
    fall, decimals = gap.waterfall, _decimals(gap)
    what = f"{metric_title(gap.claim.metric)} {with_unit(str(gap.claim.printed), gap.claim.unit)}"
    ours = with_unit(fixed(fall.start, decimals), "%")
    if fall.unexplained is None:
        return f"Ours, {ours}, rounds to the printed {what}: there is no gap to explain."
    far = with_unit(fixed(float(abs(fall.gap)), decimals), "pp")
    return f"Ours is {ours}; the printed {what} is {far} {'above' if fall.gap > 0 else 'below'} it."


def _steps(gap: Gap) -> list[str]:
    fall = gap.waterfall
    if fall.unexplained is None:
        return []
    if not fall.steps:
        return ["No single change of convention brings the number nearer to the print: none of the gap is explained."]
    changes = counted(len(fall.steps), "change")
    tried = ", then ".join(str(step.tried) for step in fall.steps)
    said = [
        f"{changes} of convention, each chosen among those tried ({tried}) because it comes nearest, "
        f"{'leads' if len(fall.steps) == 1 else 'lead'} to {with_unit(fixed(fall.end, _decimals(gap)), '%')}."
    ]
    if fall.unexplained == 0:
        return [*said, "That rounds to the print. It shows what would suffice, not what the authors did."]
    share = fixed(100 * fall.unexplained, 0)
    return [*said, f"No convention tried explains the remaining {signed(fall.rest, gap)}, {share} % of the gap."]


def _survey(gap: Gap) -> list[str]:
    nearest, decimals = gap.nearest, _decimals(gap)
    if gap.waterfall.unexplained is None:
        return []
    if nearest is None:
        return ["The combinations of several changes were not all scored."]
    found = nearest.survey
    said = [
        f"All {found.combinations} combinations give {counted(found.numbers, 'different number')} from "
        f"{fixed(found.low, decimals)} to {fixed(found.high, decimals)}; {found.within} of them "
        f"{'rounds' if found.within == 1 else 'round'} to the print, where {fixed(found.by_chance, 1)} would by chance."
    ]
    changes = "; ".join(f"{title.lower()}: {words}" for title, words in nearest.changes) or "the usual one"
    said.append(
        f"The nearest gives {fixed(found.value, decimals)} ({changes}). Some combination comes near any number."
    )
    return said


def untried_lines(explanation: Explanation) -> Sequence[str]:
    """Say which conventions could not be changed, and why."""
    return [f"not tried: {item.title} ({item.reason})" for item in explanation.untried]
