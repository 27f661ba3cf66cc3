"""One thread for torch in every test: tests are small, and may share the machine."""

import torch

torch.set_num_threads(1)
