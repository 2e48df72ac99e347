"""Part of an evaluation set. No torch."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from harness.datasets.labelled import LabelledImages


def first(images: LabelledImages, count: int) -> LabelledImages:
    """Return the first ``count`` images of a set in the official order, all of them where there are no more.

    The digest is of the set's own and of how many were taken.

    Raises:
        ValueError: Less than one image.
    """
    if count < 1:
        raise ValueError(f"at least one image expected, not {count}")
    items = images.items[:count]
    if len(items) == len(images):
        return images
    digest = hashlib.sha256(f"{images.split.digest} {len(items)}".encode()).hexdigest()
    return replace(images, split=replace(images.split, digest=digest, images=len(items)), items=items)
