"""What every test needs."""

import torch

# One thread is faster on the small inputs of the tests, and on machines that run something else beside them.
torch.set_num_threads(1)
