"""How numbers, verdicts and kinds of evidence are written, wherever a reader meets them. No torch."""
