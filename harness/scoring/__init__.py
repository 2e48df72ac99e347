"""Claims, audit and ledger joined: what was claimed, what was found, and the verdict on each. No torch."""
