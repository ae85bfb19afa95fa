"""Many long histories, side by side: `python -m tests.soak`."""
