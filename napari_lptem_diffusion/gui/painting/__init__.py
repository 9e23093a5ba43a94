"""What is painted over the canvas: rods, numbers, changes, handles, legend."""
