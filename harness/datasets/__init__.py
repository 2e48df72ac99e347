"""Datasets: a seed or a folder in, arrays out."""
