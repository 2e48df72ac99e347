"""Building blocks that networks of several papers are made of."""
