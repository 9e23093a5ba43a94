"""Rods in frames: what the movie says about itself, where rods may be, and their poses with errors."""
