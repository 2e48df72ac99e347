"""The audit: what arithmetic alone says of a paper's printed numbers. No data, no GPU, no paper-specific code."""
