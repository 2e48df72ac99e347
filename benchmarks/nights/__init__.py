"""Nights that never were, to measure the nightly check by: how often it cries wolf, what it finds, and how soon."""
