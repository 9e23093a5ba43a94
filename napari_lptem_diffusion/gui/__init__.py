"""The napari side: the only room that knows Qt and napari."""
