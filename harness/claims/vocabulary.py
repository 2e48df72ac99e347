"""The metrics and units a claims file may use, and what the audit may assume of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from types import MappingProxyType
from typing import Literal

Direction = Literal["lower", "higher"]


class Quantity(Enum):
    """What kind of number a metric is.

    ``PROPORTION`` counts test images (k of n), so it has a granularity and a binomial spread;
    ``SCORE`` is measured but not a count of images (an IoU, a mean of IoUs);
    ``COUNT`` is an exact whole number; ``SETTING`` is chosen or derived, not measured; ``SPEED`` is a timing;
    ``DIFFERENCE`` and ``RATIO`` compare two of the others.
    """

    PROPORTION = "proportion"
    SCORE = "score"
    COUNT = "count"
    SETTING = "setting"
    SPEED = "speed"
    DIFFERENCE = "difference"
    RATIO = "ratio"

    @property
    def measured(self) -> bool:
        """Whether the number varies with the trained weights or the clock."""
        return self in (Quantity.PROPORTION, Quantity.SCORE, Quantity.SPEED)


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric's reader-facing title, kind, and which direction is better (None: neither)."""

    title: str
    quantity: Quantity
    better: Direction | None = None


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "top1-error": Metric("top-1 error", Quantity.PROPORTION, "lower"),
        "top5-error": Metric("top-5 error", Quantity.PROPORTION, "lower"),
        "top1-localisation-error": Metric("top-1 localisation error", Quantity.PROPORTION, "lower"),
        "top5-localisation-error": Metric("top-5 localisation error", Quantity.PROPORTION, "lower"),
        "accuracy": Metric("accuracy", Quantity.PROPORTION, "higher"),
        "top1-accuracy": Metric("top-1 accuracy", Quantity.PROPORTION, "higher"),
        "top5-accuracy": Metric("top-5 accuracy", Quantity.PROPORTION, "higher"),
        "pixel-accuracy": Metric("pixel accuracy", Quantity.SCORE, "higher"),
        "iou": Metric("IoU", Quantity.SCORE, "higher"),
        "miou": Metric("mean IoU", Quantity.SCORE, "higher"),
        "thin-miou": Metric("mean IoU of thin classes", Quantity.SCORE, "higher"),
        "category-miou": Metric("category mean IoU", Quantity.SCORE, "higher"),
        "iiou": Metric("instance-weighted mean IoU", Quantity.SCORE, "higher"),
        "category-iiou": Metric("category instance-weighted mean IoU", Quantity.SCORE, "higher"),
        "maxf": Metric("maximum F-measure", Quantity.SCORE, "higher"),
        "average-precision": Metric("average precision", Quantity.SCORE, "higher"),
        "score": Metric("score", Quantity.SCORE, "higher"),
        "parameters": Metric("parameters", Quantity.COUNT),
        "layers": Metric("layers", Quantity.COUNT),
        "classes": Metric("classes", Quantity.COUNT),
        "multiply-adds": Metric("multiply-adds", Quantity.COUNT),
        "crops": Metric("crops", Quantity.COUNT),
        "channels": Metric("channels", Quantity.COUNT),
        "images": Metric("images", Quantity.COUNT),
        "batch-size": Metric("batch size", Quantity.COUNT),
        "iterations": Metric("iterations", Quantity.COUNT),
        "count": Metric("count", Quantity.COUNT),
        "map-side": Metric("side of the feature map", Quantity.SETTING),
        "image-side": Metric("side of the image", Quantity.SETTING),
        "output-stride": Metric("output stride", Quantity.SETTING),
        "receptive-field": Metric("receptive field", Quantity.SETTING),
        "receptive-field-increase": Metric("increase of the receptive field", Quantity.SETTING),
        "field-of-view": Metric("field of view", Quantity.SETTING),
        "kernel-side": Metric("side of the kernel", Quantity.SETTING),
        "coverage": Metric("share of the covered positions", Quantity.SETTING, "higher"),
        "hole-distance": Metric("maximum distance between two nonzero values", Quantity.SETTING, "lower"),
        "dilation": Metric("dilation", Quantity.SETTING),
        "gridding": Metric("gridding", Quantity.SETTING, "lower"),
        "threshold": Metric("threshold", Quantity.SETTING),
        "setting": Metric("setting", Quantity.SETTING),
        "difference": Metric("difference", Quantity.DIFFERENCE),
        "ratio": Metric("ratio", Quantity.RATIO),
        "time": Metric("time", Quantity.SPEED, "lower"),
        "rate": Metric("rate", Quantity.SPEED, "higher"),
        "memory": Metric("memory", Quantity.SPEED, "lower"),
    }
)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit's dimension and how many base units of that dimension one of it is."""

    dimension: str
    factor: Fraction = Fraction(1)


UNITS: Mapping[str, Unit] = MappingProxyType(
    {
        "%": Unit("percent"),
        "pp": Unit("percent"),
        "fraction": Unit("percent", Fraction(100)),
        "1": Unit("number"),
        "x": Unit("number"),
        "k": Unit("number", Fraction(1_000)),
        "M": Unit("number", Fraction(1_000_000)),
        "G": Unit("number", Fraction(1_000_000_000)),
        "px": Unit("pixel"),
        "cells": Unit("cell"),
        "layers": Unit("number"),
        "epochs": Unit("epoch"),
        "iterations": Unit("iteration"),
        "ms": Unit("second", Fraction(1, 1000)),
        "s": Unit("second"),
        "h": Unit("second", Fraction(3600)),
        "images/s": Unit("rate"),
        "MiB": Unit("byte", Fraction(2**20)),
        "MB": Unit("byte", Fraction(10**6)),
        "GB": Unit("byte", Fraction(10**9)),
    }
)
