"""The conventions that the same outcomes can be scored under, declared as data.

A :class:`Grid` has an axis for each question that a protocol answers, and each axis its possible answers. A *choice* is
one answer per axis. The usual choice is what the measurement itself was scored by; what the official evaluation of a
dataset does stands beside it, and nothing here knows which choice would come near a printed number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType

from harness.metrics.localisation import LocalisationProtocol, OverlapTest
from harness.metrics.segmentation import AbsentClass, Averaging

Choice = tuple[str, ...]
"""The key of one option per axis, in the order of the axes."""

SEGMENTATION_METRICS: Mapping[str, str] = MappingProxyType({"miou": "miou", "pixel-accuracy": "pixel-accuracy"})
"""The option of the axis "score" that is a claim's metric."""


@dataclass(frozen=True, slots=True)
class Option:
    """One answer: ``words`` for a reader, and who scores so, where that is known."""

    key: str
    words: str
    used_by: str = ""


@dataclass(frozen=True, slots=True)
class Axis:
    """One question.

    Attributes:
        usual: Key of the option that the measurement was scored by.
        official: Key of the option of the dataset's official evaluation; empty where it has no say.

    Raises:
        ValueError: Two options share a key, or the usual or the official one is none of them.
    """

    key: str
    title: str
    options: tuple[Option, ...]
    usual: str
    official: str = ""

    def __post_init__(self) -> None:
        keys = [option.key for option in self.options]
        if len(set(keys)) < len(keys) or self.usual not in keys or self.official not in ("", *keys):
            raise ValueError(f"axis {self.key!r}: {keys} with the usual {self.usual!r}, the official {self.official!r}")

    def option(self, key: str) -> Option:
        return next(option for option in self.options if option.key == key)


@dataclass(frozen=True, slots=True)
class Untried:
    """A convention that what was kept does not allow to change, and why."""

    title: str
    reason: str


@dataclass(frozen=True)
class Grid:
    """All conventions.

    Attributes:
        axes: In the order in which they are shown.
        idle: Whether a choice differs from another one only in an answer to a question that does not arise ("which
            classes are absent" when pixels are counted); such a choice is no combination of its own.
        untried: What cannot be changed.
    """

    axes: tuple[Axis, ...]
    untried: tuple[Untried, ...] = ()
    idle: Callable[[Mapping[str, str]], bool] = lambda _: False

    @property
    def usual(self) -> Choice:
        return tuple(axis.usual for axis in self.axes)

    def answers(self, choice: Choice) -> dict[str, str]:
        """Return a choice by axis."""
        return dict(zip((axis.key for axis in self.axes), choice, strict=True))

    def changed(self, choice: Choice, axis: str, option: str) -> Choice:
        """Return a choice with another answer to one question."""
        return tuple((self.answers(choice) | {axis: option}).values())

    def changes(self, choice: Choice) -> tuple[tuple[Axis, Option], ...]:
        """Return what a choice has other than the usual."""
        pairs = zip(self.axes, choice, strict=True)
        return tuple((axis, axis.option(key)) for axis, key in pairs if key != axis.usual)

    def singles(self, choice: Choice) -> Iterator[tuple[Axis, Option, Choice]]:
        """Yield each other answer to a question that ``choice`` answers as usual, the rest as in ``choice``."""
        for axis, now in zip(self.axes, choice, strict=True):
            for option in axis.options:
                other = self.changed(choice, axis.key, option.key)
                if now == axis.usual != option.key and not self.idle(self.answers(other)):
                    yield axis, option, other

    def combinations(self) -> Iterator[Choice]:
        """Yield every choice that is a combination of its own, in a fixed order."""
        for choice in product(*([option.key for option in axis.options] for axis in self.axes)):
            if not self.idle(self.answers(choice)):
                yield choice


SCORE = (
    Option("miou", "mean IoU of the classes"),
    Option("class-accuracy", "mean accuracy of the classes", "often printed beside the mean IoU"),
    Option("pixel-accuracy", "share of right pixels", "often printed beside the mean IoU"),
    Option("frequency-weighted-iou", "IoU weighted by the classes' true pixels", "the FCN code, beside the mean IoU"),
    Option("micro-iou", "IoU of all classes' pixels together", "torchmetrics, average = micro"),
)
AVERAGING = (
    Option(Averaging.DATASET, "counts summed over the images, then the mean of the classes", "VOC, Cityscapes"),
    Option(Averaging.IMAGES, "each image's mean, then the mean of the images"),
    Option(Averaging.CLASSES, "each class's mean over the images, then the mean of the classes"),
    Option(Averaging.PAIRS, "the mean of all pairs of image and class", "torchmetrics MeanIoU"),
)
ABSENT = (
    Option(AbsentClass.NAN_SKIP, "left out of the mean", "cityscapesScripts, the DRN code"),
    Option(AbsentClass.ZERO, "counts as 0", "the evaluation of DeepLab and of DUC"),
    Option(AbsentClass.ONE, "counts as 1", "the accuracy layer of DeepLab"),
    Option(AbsentClass.NAN_PROPAGATE, "makes the mean not a number", "the VOC development kit"),
    Option(AbsentClass.GT_ONLY, "left out, and so is a class that is only predicted", "kazuto1011's port of DeepLab"),
)
OUTSIDE = (
    Option("miss", "misses of the true class", "cityscapesScripts"),
    Option("dropped", "not counted at all"),
    Option("first-class", "predictions of the first class"),
)
BACKGROUND = (
    Option("class", "a class like the others", "VOC, DeepLab"),
    Option("unaveraged", "not in the mean, yet its pixels count against other classes", "torchmetrics"),
    Option("void", "void where it is true", "PASCAL-Context with 59 classes"),
)
OFFICIAL: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "voc2012": {"averaging": "dataset", "absent": "nan-propagate", "background": "class"},
        "cityscapes": {"averaging": "dataset", "absent": "nan-skip", "outside": "miss"},
    }
)
"""By dataset, what its own evaluation code answers: the VOC development kit and cityscapesScripts."""

BACKGROUND_NAME = "background"
SHOWN_THRESHOLDS = (0.0, 0.1, 0.2, 0.3, 0.5)
_ONE_WAY: Mapping[str, str] = MappingProxyType({"": "as measured"})
_WHOLE_NUMBERS = ("pixel-accuracy", "frequency-weighted-iou", "micro-iou")


def segmentation_grid(
    metric: str,
    dataset: str,
    class_names: Sequence[str],
    *,
    any_outside: bool,
    any_absent: bool,
    least_images: int = 0,
) -> Grid:
    """Return the conventions for confusion counts.

    Args:
        metric: Option of the axis "score" that was measured.
        dataset: Key of the dataset ("voc2012"), for what is official; unknown ones have nothing official.
        class_names: In the order of the labels; empty where they are not known.
        any_outside: Whether a pixel was predicted outside the classes.
        any_absent: Whether a class is in no image's truth, or an image lacks one.
        least_images: Test images that have to show a class for it to be scored; 0 where all classes are.
    """
    official = OFFICIAL.get(dataset, {})
    untried = [Untried("pixels that are void in the truth", "the counts hold none of them")]

    def axis(key: str, title: str, options: tuple[Option, ...], usual: str) -> Axis:
        return Axis(key, title, options, usual, official.get(key, ""))

    axes = [
        axis("score", "What is computed", SCORE, metric),
        axis("averaging", "What the mean is over", AVERAGING, Averaging.DATASET),
    ]
    if any_absent:
        axes.append(axis("absent", "A class without a pixel", ABSENT, AbsentClass.NAN_SKIP))
    else:
        untried.append(Untried("classes without a pixel", "every image has every class, so no rule differs"))
    if any_outside:
        axes.append(axis("outside", "Pixels predicted outside the classes", OUTSIDE, "miss"))
    else:
        untried.append(Untried("pixels predicted outside the classes", "there are none, so no rule differs"))
    if least_images:
        shown = Option("shown", f"those that at least {least_images} of the images show")
        axes.append(axis("classes", "Classes that are scored", (shown, Option("all", "all")), "shown"))
    if class_names and class_names[0].lower() == BACKGROUND_NAME:
        axes.append(axis("background", "The background", BACKGROUND, "class"))
    else:
        untried.append(Untried("the background", "the first class is not named background"))
    return Grid(tuple(axes), tuple(untried), _idle_segmentation)


def classification_grid(guesses: int, ways: Mapping[str, str] = _ONE_WAY) -> Grid:
    """Return the conventions for ranks.

    Args:
        guesses: Of the claim, 1 or 5.
        ways: In which the same network was shown the same images, in a reader's words; "" is what was measured.
    """
    options = tuple(Option(str(k), "the best guess" if k == 1 else f"the {k} best guesses") for k in (1, 5))
    reason = "a rank holds the outcome alone, not the scores"
    return Grid(
        (*_way_axis(ways), Axis("guesses", "Right if the class is among", options, str(guesses))),
        (
            Untried("classes with equal scores", reason),
            Untried("other crops, and other averages of them", reason),
            Untried("kernel and library of resizing, precision", "they change what the network sees"),
        ),
    )


def localisation_grid(
    guesses: int,
    protocol: LocalisationProtocol,
    ways: Mapping[str, str] = _ONE_WAY,
    thresholds: Sequence[float] = (),
) -> Grid:
    """Return the conventions for ranks and the IoU of each image's box.

    Args:
        guesses: Of the claim, 1 or 5.
        protocol: The rule it was measured by.
        ways: As for :func:`classification_grid`.
        thresholds: Of the activation map, at which boxes were kept too; none if only the measured ones were.
    """
    usual = f"{protocol.minimum_iou:g}"
    limits = sorted({"0.3", "0.5", "0.7", usual}, key=float)
    named = {"0.5": "the ILSVRC development kit, the DRN paper"}
    return Grid(
        (
            *_way_axis(ways),
            *_threshold_axis(thresholds),
            Axis(
                "class",
                "The class must be",
                (
                    Option("1", "the best guess"),
                    Option("5", "among the 5 best guesses"),
                    Option("known", "nothing: it is given", "GT-known localisation"),
                ),
                str(guesses),
            ),
            Axis(
                "overlap",
                "A box is right with an IoU",
                (
                    Option(OverlapTest.GREATER, "above the limit", "the DRN paper"),
                    Option(OverlapTest.AT_LEAST, "of the limit or above", "the ILSVRC development kit"),
                ),
                protocol.overlap,
                OverlapTest.AT_LEAST,
            ),
            Axis(
                "limit",
                "The limit of the IoU",
                tuple(Option(limit, limit, named.get(limit, "")) for limit in limits),
                usual,
                "0.5",
            ),
        ),
        (
            Untried("whether boxes hold their last pixel", "the true boxes are not kept, only the IoU"),
            Untried("other thresholds of the activation map, its cells on the image", "the maps are not kept"),
            Untried("images that the official list leaves out", "the names of the images are not kept"),
        ),
    )


def _way_axis(ways: Mapping[str, str]) -> tuple[Axis, ...]:
    """Return the axis of ways; none where there is but one."""
    options = tuple(Option(key or "measured", words) for key, words in ways.items())
    return (Axis("way", "How the network is shown the image", options, "measured"),) if len(options) > 1 else ()


def _threshold_axis(thresholds: Sequence[float]) -> tuple[Axis, ...]:
    if len(thresholds) < 2:
        return ()
    known = {0.2: "class activation mapping"}
    fixed = (Option(f"{t:g}", f"{t:g} for all images", known.get(t, "")) for t in SHOWN_THRESHOLDS if t in thresholds)
    chosen = (
        Option("measured", "chosen on other images"),
        Option("tuned", "the best on these very images", "tuning on the test set"),
    )
    return (Axis("threshold", "Threshold of the activation map", (*chosen, *fixed), "measured"),)


def _idle_segmentation(answers: Mapping[str, str]) -> bool:
    score = answers["score"]
    absent_matters = score == "miou"
    if not absent_matters and answers.get("absent", AbsentClass.NAN_SKIP) != AbsentClass.NAN_SKIP:
        return True
    return score in _WHOLE_NUMBERS and answers["averaging"] in (Averaging.CLASSES, Averaging.PAIRS)
