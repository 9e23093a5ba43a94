"""Simulated movies of known truth, and scores of what was found in them."""
