"""What every test needs."""

import os

# One thread is faster on the small inputs of the tests, and on machines that run something else beside them.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
