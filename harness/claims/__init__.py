"""A paper's printed numbers as data: claims, relations, references, facts. Pure: no torch, no measurement."""
