"""One night: what it measures, within which budget, how it is judged, and what a person finds in the morning."""
