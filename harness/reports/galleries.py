"""What the galleries of a report are made of: a row of pictures for each image, a column for each system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from harness.ledger.record import Record
from harness.reports.plots.panels import Pixels, picture


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture with the line under it."""

    picture: Markup
    caption: str


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column.

    Attributes:
        role: "opens" sets it apart from the one before: a system that its variants follow. "stays" keeps it in sight
            while the others are scrolled: what they are compared with. Empty for all others.
    """

    name: str
    role: str = ""


@dataclass(frozen=True, slots=True)
class Gallery:
    """Pictures of one experiment: a row per image, a column per system.

    Attributes:
        columns: The first are the image and the true labels, if there are such columns.
        rows: A panel for each column.
        legend: Names of labels with the CSS background that shows each; empty for activation maps.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Panel, ...], ...]
    legend: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Source:
    """A record with its arrays."""

    record: Record
    arrays: Mapping[str, NDArray[Any]]

    @property
    def system(self) -> str:
        return self.record.system


def image_panel(image: Pixels, place: int) -> Panel:
    """Show the image itself, uint8 [H, W, 3]."""
    return Panel(picture(image, f"Image {place}"), f"image {place}")


def places(index: NDArray[np.int32]) -> list[int]:
    """Return the places of the images in the test set."""
    return [int(place) for place in index]
