"""Remeasure: published numbers as data, measured again and audited."""

__version__ = "0.1.0"
