"""Controlled comparisons of segmentation networks: what all papers that make them share."""
