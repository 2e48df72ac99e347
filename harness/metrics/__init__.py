"""Metrics as pure functions on arrays: ranks, boxes and confusion counts per image, scores from those."""
