"""Exact quantities, derived from a network's definition: nothing here is estimated and no data is needed."""

from harness.architecture.cost import multiply_adds
from harness.architecture.coverage import (
    Coverage,
    accepted,
    coverage,
    footprint,
    hole_distances,
    paths,
    reached,
    receptive_size,
)
from harness.architecture.graph import feature_map
from harness.architecture.gridding import Gridding, gridding, gridding_by_gradient, map_gridding
from harness.architecture.layers import depth
from harness.architecture.parameters import ParameterCount, count
from harness.architecture.receptive_field import (
    ReceptiveField,
    receptive_field,
    receptive_field_by_gradient,
    receptive_fields,
)
from harness.architecture.resolution import map_size
from harness.architecture.summary import Architecture, describe

__all__ = [
    "Architecture",
    "Coverage",
    "Gridding",
    "ParameterCount",
    "ReceptiveField",
    "accepted",
    "count",
    "coverage",
    "depth",
    "describe",
    "feature_map",
    "footprint",
    "gridding",
    "gridding_by_gradient",
    "hole_distances",
    "map_gridding",
    "map_size",
    "multiply_adds",
    "paths",
    "reached",
    "receptive_field",
    "receptive_field_by_gradient",
    "receptive_fields",
    "receptive_size",
]
