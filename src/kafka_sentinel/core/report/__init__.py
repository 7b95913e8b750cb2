"""What a report says: evidence in, numbers and a verdict with its reasons out. How it looks is `adapters/report/`."""
