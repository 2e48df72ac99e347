"""What the audit looks for: one entry per kind of finding, described for a reader in ``docs/audit.md``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of finding.

    Attributes:
        id: ``detector/what``, stable: reviewed findings and SARIF refer to it.
        title: What is wrong, in a few words.
        help: What the rule compares and when it speaks.
    """

    id: str
    title: str
    help: str

    @property
    def detector(self) -> str:
        return self.id.partition("/")[0]


RELATION = Rule(
    "relation/inconsistent",
    "A statement does not follow from the printed numbers",
    "The statement is recomputed from the numbers it is about, each standing for every value that rounds to it. "
    "No such values make it true.",
)
TRUNCATED = Rule(
    "relation/truncated",
    "A number is cut off where it should be rounded",
    "The statement does not hold for the rounded number, and does if its digits were cut off.",
)
COUNTER_EXAMPLE = Rule(
    "relation/counter-example",
    "A universal statement has a counter-example",
    "The statement says each, all, no or at least; one of its cases fails for all values that round to the print.",
)
UNDECIDED = Rule(
    "relation/undecided",
    "The printed precision cannot show the order that is claimed",
    "The two sides print the same value, or values whose order rounding can turn round, the wrong way about.",
)
READING = Rule(
    "relation/reading",
    "A statement depends on how a damaged print is read",
    "The statement fails for the number as copied and holds for another reading that the copy allows.",
)
MEAN = Rule(
    "means/mean",
    "A printed mean is not the mean of its parts",
    "Most rows print the mean of their parts; this row's mean is outside everything that rounding allows.",
)
UNLIKELY_MEAN = Rule(
    "means/unlikely-rounding",
    "Rounding explains a printed mean only by a coincidence",
    "Roundings of many parts nearly cancel. The chance that they add up to this gap is below 1 % per table.",
)
HIDDEN_PART = Rule(
    "means/hidden-part",
    "A mean includes a part that is not printed",
    "No row's mean is that of its parts, and one more part within the metric's range explains the rows.",
)
HIDDEN_VALUE = Rule(
    "means/hidden-value",
    "The part that a mean implies is out of line",
    "The value implied for the part that is not printed is impossible, or far from those of the other rows.",
)
OTHER_MEAN = Rule(
    "means/other-mean",
    "A mean is over other parts than those printed",
    "Neither the printed parts nor one part more explain the printed means.",
)
COMPLEMENT = Rule(
    "means/complement",
    "An accuracy and an error do not add up to 100 %",
    "In most rows the two columns are complements; in this row they are not.",
)
RANGE = Rule(
    "range/impossible",
    "A value that the metric cannot take",
    "A proportion or score outside 0 to 100 %, or a negative count.",
)
GRANULARITY = Rule(
    "granularity/impossible",
    "No whole number of test images gives this percentage",
    "k images of n give only certain percentages (the GRIM test, Brown and Heathers 2017); none rounds to the print.",
)
TWO_VALUES = Rule(
    "two-values/differ",
    "The same quantity is printed with two values",
    "Same system, metric, dataset and protocol; at the coarser of the two precisions the values differ.",
)
IDENTICAL = Rule(
    "identical-rows/tuple",
    "Two rows share measured values that chance rarely repeats",
    "Two systems agree to the last digit in two or more measured columns; expected less than once in 20 such tables.",
)
ORDER = Rule(
    "patterns/order",
    "An order that the metrics' definitions force is broken",
    "A top-5 error above the top-1 error of the same system, or a localisation error below the classification error.",
)
BROKEN_PATTERN = Rule(
    "patterns/row",
    "A row breaks an order that all others keep",
    "Two columns stand in the same order in every other row, and this row's gap is outside what those rows predict.",
)
OUTLIER = Rule(
    "patterns/outlier",
    "A cell stands out from what its row and column predict",
    "The rest of the row places the system among the others; the cell is outside the prediction for that place.",
)
MONOTONE = Rule(
    "monotone/depth",
    "A deeper network is worse here and nowhere else in the column",
    "In every other pair of neighbours in depth the deeper one is better; the test set resolves the exception.",
)
AUTHORS_DIFFER = Rule(
    "references/authors",
    "The authors print another value elsewhere",
    "At the coarser of the two precisions, the authors' own second copy of the number differs.",
)
ORIGIN_DIFFERS = Rule(
    "references/origin",
    "A number differs from the source it is quoted from",
    "Most numbers of the source agree with the paper to the digit; this one does not.",
)
ORIGIN_UNLIKE = Rule(
    "references/unlike",
    "Most numbers differ from the source they are said to come from",
    "Fewer than half of the numbers agree, so the source may not be where they were taken from.",
)
COPY_DIFFERS = Rule(
    "references/copy",
    "A copy of the paper prints other numbers",
    "Someone else repeats the paper's numbers, and some are not the paper's. The paper's own print is the claim.",
)
UNRESOLVED = Rule(
    "resolution/ranking",
    "A ranking is finer than the test set can resolve",
    "The difference is within what two independent samples of this size differ by in 95 % of cases by chance alone.",
)
NOT_SIGNIFICANT = Rule(
    "resolution/significant",
    "A difference is called significant that the test set cannot resolve",
    "The words claim more than an order, and two independent samples of this size differ as much by chance.",
)
UNLIKE = Rule(
    "comparison/unlike",
    "A comparison mixes unlike settings",
    "The two numbers differ in more than the one thing a comparison is about: in dataset, protocol or test images, "
    "or in two or more of the settings stated of their systems.",
)

RULES: tuple[Rule, ...] = (
    RELATION, TRUNCATED, COUNTER_EXAMPLE, UNDECIDED, READING, MEAN, UNLIKELY_MEAN, HIDDEN_PART, HIDDEN_VALUE,
    OTHER_MEAN, COMPLEMENT, RANGE, GRANULARITY, TWO_VALUES, IDENTICAL, ORDER, BROKEN_PATTERN, OUTLIER, MONOTONE,
    AUTHORS_DIFFER, ORIGIN_DIFFERS, ORIGIN_UNLIKE, COPY_DIFFERS, UNRESOLVED, NOT_SIGNIFICANT, UNLIKE,
)  # fmt: skip
