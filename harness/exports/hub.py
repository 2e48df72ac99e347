"""How the Hugging Face Hub names what claims name: data sets, splits, tasks."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from harness.claims.vocabulary import METRICS
from harness.errors import UsageError

HUB: Mapping[str, str] = MappingProxyType({"imagenet": "ILSVRC/imagenet-1k"})
"""Data sets that their own authors keep on the Hub; of the others there are only copies by third parties."""

_SPLITS = {"val": "validation"}
"""Parts that the Hub calls otherwise."""
_SEGMENTATION = (
    "pixel-accuracy",
    "iou",
    "miou",
    "thin-miou",
    "category-miou",
    "iiou",
    "category-iiou",
    "maxf",
    "average-precision",
)


class Task(NamedTuple):
    """A task's identifier on the Hub, and its name."""

    type: str
    name: str


TASKS: Mapping[str, Task] = MappingProxyType(
    {
        "top1-error": Task("image-classification", "image classification"),
        "top5-error": Task("image-classification", "image classification"),
        "accuracy": Task("image-classification", "image classification"),
        "top1-localisation-error": Task("other", "weakly supervised object localisation"),
        "top5-localisation-error": Task("other", "weakly supervised object localisation"),
        **dict.fromkeys(_SEGMENTATION, Task("image-segmentation", "semantic segmentation")),
    }
)


class DataSet(NamedTuple):
    """A claim's data set: its part and, where there is one, its repository on the Hub."""

    key: str
    split: str
    repository: str | None

    @property
    def type(self) -> str:
        """What a model card calls it: the repository's name, else our own key."""
        return self.repository or self.key

    @property
    def hub_split(self) -> str:
        """The part as the Hub's data sets call it."""
        return _SPLITS.get(self.split, self.split)


def data_set(name: str, hub: Mapping[str, str] = HUB) -> DataSet:
    """Read a claim's data set: ``imagenet/val``."""
    key, _, split = name.partition("/")
    return DataSet(key, split, hub.get(key))


def task(metric: str) -> Task:
    """Return the task that a metric scores; one without a name on the Hub is "other"."""
    return TASKS.get(metric, Task("other", METRICS[metric].title))


def read_hub(pairs: tuple[str, ...]) -> Mapping[str, str]:
    """Add ``NAME=OWNER/DATASET`` pairs to the data sets that are known.

    Raises:
        UsageError: A pair is not written so.
    """
    hub = dict(HUB)
    for pair in pairs:
        name, equals, repository = pair.partition("=")
        if not (name and equals and repository.count("/") == 1 and all(repository.split("/"))):
            raise UsageError(f"{pair!r} is not NAME=OWNER/DATASET", "For example: --hub cityscapes=owner/cityscapes.")
        hub[name] = repository
    return hub
