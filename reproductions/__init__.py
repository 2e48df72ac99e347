"""One package per paper: its claims as data, its models, its experiments."""
