"""What a user puts right in tracks, as data: made, applied, written and read."""
