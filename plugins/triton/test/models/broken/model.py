"""Cannot be loaded."""

raise RuntimeError("weights missing")
