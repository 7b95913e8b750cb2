"""The audit: facts about a cluster in, findings out. `rules.py` has the table of rules."""
