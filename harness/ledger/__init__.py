"""The append-only ledger of runs: content-addressed records with raw per-image outcomes. No torch."""
