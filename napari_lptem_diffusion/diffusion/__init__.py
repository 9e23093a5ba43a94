"""Motion: simulators, the network, its training and its use, and the classical statistics."""
