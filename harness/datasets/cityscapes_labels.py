"""The 35 labels of Cityscapes, as in cityscapesScripts (``helpers/labels.py``)."""

from __future__ import annotations

from typing import NamedTuple


class Label(NamedTuple):
    """One label.

    Attributes:
        name: "traffic light".
        id: Value in ``labelIds`` files; -1 is never drawn.
        train_id: Index among the 19 classes that are scored; 255, or -1 for the license plate, otherwise.
        category: One of seven that are scored, or "void".
        has_instances: Whether its objects are numbered.
        ignored: Whether pixels with this truth are left out of scores.
    """

    name: str
    id: int
    train_id: int
    category: str
    has_instances: bool
    ignored: bool


LABELS = (
    Label("unlabeled", 0, 255, "void", False, True),
    Label("ego vehicle", 1, 255, "void", False, True),
    Label("rectification border", 2, 255, "void", False, True),
    Label("out of roi", 3, 255, "void", False, True),
    Label("static", 4, 255, "void", False, True),
    Label("dynamic", 5, 255, "void", False, True),
    Label("ground", 6, 255, "void", False, True),
    Label("road", 7, 0, "flat", False, False),
    Label("sidewalk", 8, 1, "flat", False, False),
    Label("parking", 9, 255, "flat", False, True),
    Label("rail track", 10, 255, "flat", False, True),
    Label("building", 11, 2, "construction", False, False),
    Label("wall", 12, 3, "construction", False, False),
    Label("fence", 13, 4, "construction", False, False),
    Label("guard rail", 14, 255, "construction", False, True),
    Label("bridge", 15, 255, "construction", False, True),
    Label("tunnel", 16, 255, "construction", False, True),
    Label("pole", 17, 5, "object", False, False),
    Label("polegroup", 18, 255, "object", False, True),
    Label("traffic light", 19, 6, "object", False, False),
    Label("traffic sign", 20, 7, "object", False, False),
    Label("vegetation", 21, 8, "nature", False, False),
    Label("terrain", 22, 9, "nature", False, False),
    Label("sky", 23, 10, "sky", False, False),
    Label("person", 24, 11, "human", True, False),
    Label("rider", 25, 12, "human", True, False),
    Label("car", 26, 13, "vehicle", True, False),
    Label("truck", 27, 14, "vehicle", True, False),
    Label("bus", 28, 15, "vehicle", True, False),
    Label("caravan", 29, 255, "vehicle", True, True),
    Label("trailer", 30, 255, "vehicle", True, True),
    Label("train", 31, 16, "vehicle", True, False),
    Label("motorcycle", 32, 17, "vehicle", True, False),
    Label("bicycle", 33, 18, "vehicle", True, False),
    Label("license plate", -1, -1, "vehicle", False, True),
)

DRAWN = tuple(label for label in LABELS if label.id >= 0)
"""The 34 labels that label files hold, in order of id."""

TRAINED = tuple(label for label in DRAWN if label.train_id < 255)
"""The 19 labels that are scored, in order of trainId."""
