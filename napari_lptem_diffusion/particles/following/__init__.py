"""Rods of consecutive frames into tracks, looked at again with the tracks in mind."""
