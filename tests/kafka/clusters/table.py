"""`python -m tests.kafka.clusters.table` makes the table of docs/install.md from what the last full run proved."""

from tests.kafka.clusters import results

if __name__ == "__main__":
    results.write()
