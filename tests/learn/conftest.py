"""One thread for torch: these networks are small, and on a busy machine two threads wait for one another."""

import torch

torch.set_num_threads(1)
