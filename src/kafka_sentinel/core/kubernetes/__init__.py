"""What Kubernetes shows of the brokers' pods and nodes, and what follows from it. Pure, like all of the core."""
