"""What Sentinel does through the Kubernetes API server. Imported only where there is one: the client takes memory."""
