"""A number that can be cited: what was claimed, what was measured, when, where, and on what evidence. No torch."""
