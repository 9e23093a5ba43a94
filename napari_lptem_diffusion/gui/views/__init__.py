"""Linked views of a result: table with filter, plots against time, displacements, MSD, and all rods in one plot."""
