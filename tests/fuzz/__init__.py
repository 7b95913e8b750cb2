"""Coverage-guided fuzzing of what reads bytes that others wrote (docs/verification.md, "Hostile input")."""
