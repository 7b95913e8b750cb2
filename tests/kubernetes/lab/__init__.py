"""A real Kubernetes of several nodes on one Debian machine, for the tests and for hand work (docs/lab.md)."""
