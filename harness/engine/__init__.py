"""Training and evaluation of networks with torch; :mod:`harness.engine.recipe` alone does without it."""
