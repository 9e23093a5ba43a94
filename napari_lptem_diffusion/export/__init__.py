"""Export: tables with units, provenance, figures, overlay movie and report."""
