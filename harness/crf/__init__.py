"""Fully connected conditional random fields: filtering, mean field, and its unrolled and learnt form."""
