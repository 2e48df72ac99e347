"""Whether tonight's measurements are what they were: histories, the rule that judges them, its simulation. No torch."""
