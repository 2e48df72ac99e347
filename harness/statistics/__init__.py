"""Statistics and verdicts: pure functions of numbers, counts and intervals; no files, no torch."""
