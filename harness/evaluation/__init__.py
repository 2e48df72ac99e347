"""Evaluation of any network on any dataset by explicit rules."""
