"""The hands: everything that touches the world. Nothing here decides."""
