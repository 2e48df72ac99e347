"""What is measured of the authors' checkpoint: Cityscapes, whole images, one scale. No torch."""

from __future__ import annotations

from harness.checkpoints.find import FoundFile
from harness.datasets.labelled import LabelledImages
from harness.evaluation.rules import mean_probabilities
from harness.experiment import Context, Experiment, Options, Outcome, Reach, Unit
from harness.ledger.record import Deviation
from harness.released import PORTS, Evaluation, declare, expected_colours, labelling
from harness.released_splits import CITYSCAPES_CLASSES, open_cityscapes
from reproductions.hdc.specs import RELEASED

_DATE = "2026-11-21"
_SOURCE = (
    "reproductions.hdc.decoders",
    "reproductions.hdc.models",
    "reproductions.hdc.released",
    "reproductions.hdc.released_experiments",
    "reproductions.hdc.released_runs",
    "reproductions.hdc.sequences",
    "reproductions.hdc.specs",
)


def released(options: Options) -> tuple[Experiment, ...]:
    """Declare the experiments on the released checkpoint, those that lack something included."""
    return declare(evaluation(), options)


def evaluation() -> Evaluation[LabelledImages]:
    """Return what is measured of the released network."""
    shown = mean_probabilities(expected_colours("hdc", RELEASED.name))

    def measure(unit: Unit, context: Context, found: FoundFile, images: LabelledImages) -> Outcome:
        from reproductions.hdc.released_runs import labels

        return labels(unit, context, found, images, shown)

    return Evaluation(
        paper="hdc",
        key="released-cityscapes",
        title="The authors' checkpoint on Cityscapes",
        systems=(RELEASED.name,),
        task="segmentation",
        split="cityscapes/val",
        open=open_cityscapes,
        measure=measure,
        recipe=labelling(CITYSCAPES_CLASSES, shown),
        reaches=(Reach("miou", margin=PORTS),),
        source=_SOURCE,
        deviations=(_VALIDATION, _SCALE),
        date=_DATE,
    )


_VALIDATION = Deviation(
    date=_DATE,
    topic="split",
    paper="1,525 images whose truth is not public",
    where="Table 4",
    ours="the 500 images of the validation set",
    why="only the dataset's server scores the others",
    effect="no verdict on the printed number, which is of other images",
)
_SCALE = Deviation(
    date=_DATE,
    topic="scales",
    paper="not stated; the release has 80.1 % for several scales",
    where="Table 4",
    ours="one scale",
    why="which scales were averaged is not certain",
    effect="the authors state 79.1 % for one scale and 80.1 % for several",
)
