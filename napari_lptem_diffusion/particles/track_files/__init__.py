"""Tracks of other tools: CSV in any dialect, TrackMate, MATLAB."""
