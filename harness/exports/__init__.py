"""Results in other people's formats. Each export is a pure function from results to text or bytes."""
