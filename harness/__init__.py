"""Remeasure: published numbers as data, measured again and audited."""
