"""Figures as SVG and PNG text, from numbers and arrays alone."""
