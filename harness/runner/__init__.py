"""Running a paper's experiments: what is left to do, how long it takes, and doing it so that nothing is lost."""
