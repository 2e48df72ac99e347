"""Self-contained HTML pages of what a paper claims and what was found. No torch."""
