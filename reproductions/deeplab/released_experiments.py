"""What is measured of the authors' checkpoints: VOC 2012 at one or three scales, before and after a CRF. No torch.

Files that were trained on the validation images are never measured on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from harness.checkpoints.find import FoundFile
from harness.crf.parameters import CrfParameters
from harness.datasets.labelled import LabelledImages
from harness.evaluation.rules import largest_logits
from harness.experiment import Context, Experiment, Options, Outcome, Reach, Unit
from harness.ledger.record import Deviation
from harness.released import PORTS, Evaluation, declare, expected_colours, labelling
from harness.released_splits import VOC_CLASSES, open_voc
from reproductions.deeplab.specs import SCALES

SIDE = 513
"""Of the square that images are filled up to (released code)."""
LARGE_FOV_CRF = CrfParameters(w1=4, sigma_alpha=121, sigma_beta=5)
"""The CRF that the authors released with the LargeFOV network of their earlier paper."""

_BATCH = 4
_DATE = "2026-11-21"
_SOURCE = (
    "reproductions.deeplab.interpolation",
    "reproductions.deeplab.models",
    "reproductions.deeplab.released",
    "reproductions.deeplab.released_experiments",
    "reproductions.deeplab.released_runs",
    "reproductions.deeplab.specs",
)


@dataclass(frozen=True)
class Released:
    """A released network and how it is tested.

    Attributes:
        key, title: Of the experiment.
        system: Row of the paper's tables.
        scales: Of its views.
        refined: By suffix of their arrays, names of refined results and their CRFs.
        deviations: From the paper.
    """

    key: str
    title: str
    system: str
    scales: tuple[float, ...] = (1.0,)
    refined: Mapping[str, tuple[str, CrfParameters]] = field(default_factory=lambda: MappingProxyType({}))
    deviations: tuple[Deviation, ...] = ()


def released(options: Options) -> tuple[Experiment, ...]:
    """Declare the experiments on released checkpoints, those that lack something included."""
    return tuple(experiment for each in NETWORKS for experiment in declare(evaluation(each), options))


def evaluation(network: Released) -> Evaluation[LabelledImages]:
    """Return what is measured of a released network."""
    plain = largest_logits(expected_colours("deeplab", network.system), SIDE, network.scales)
    refined = {suffix: (name, replace(plain, crf=crf)) for suffix, (name, crf) in network.refined.items()}
    protocols = {"": plain, **{suffix: protocol for suffix, (_, protocol) in refined.items()}}

    def measure(unit: Unit, context: Context, found: FoundFile, images: LabelledImages) -> Outcome:
        from reproductions.deeplab.released_runs import labels

        return labels(unit, context, found, images, protocols, _BATCH)

    return Evaluation(
        paper="deeplab",
        key=network.key,
        title=network.title,
        systems=(network.system,),
        task="segmentation",
        split="voc2012/val",
        open=open_voc,
        measure=measure,
        recipe=labelling(VOC_CLASSES, plain, batch=_BATCH, variants=refined),
        reaches=(Reach("miou", margin=PORTS),),
        source=_SOURCE,
        deviations=network.deviations,
        date=_DATE,
    )


_EARLIER_CRF = Deviation(
    date=_DATE,
    topic="parameters of the CRF",
    paper="searched for on 100 validation images; of those found, none is printed",
    where="Section 4.1.1",
    ours="w1 = 4, sigma alpha = 121, sigma beta = 5, released with the authors' earlier LargeFOV",
    why="the only values published for a network of this name",
    effect="no verdict on the row with CRF: its result stands beside it under a name of its own",
)

NETWORKS = (
    Released(
        "released-voc",
        "The authors' ResNet-101 on PASCAL VOC 2012, three scales",
        "ResNet-101 + MSC + COCO + Aug + ASPP",
        scales=tuple(map(float, SCALES)),
    ),
    Released(
        "released-voc-large-fov",
        "The authors' VGG-16 LargeFOV on PASCAL VOC 2012",
        "VGG-16 LargeFOV",
        refined=MappingProxyType({"crf": ("{system}, CRF of the earlier release", LARGE_FOV_CRF)}),
        deviations=(_EARLIER_CRF,),
    ),
    Released("released-voc-aspp", "The authors' VGG-16 ASPP-L on PASCAL VOC 2012", "VGG-16 ASPP-L"),
)
"""Every released network that did not see the validation images."""
