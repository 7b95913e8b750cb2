"""The judge: events in, commands out. Nothing here does I/O, reads a clock, draws a random number or logs."""
