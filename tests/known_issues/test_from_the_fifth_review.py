"""What the review of the image task found."""

import torch

from nst_asr.parallel import laid_out


def test_summed_gradients_lie_in_memory_as_the_weights_do_or_fused_optimisers_mix_them_up() -> None:
    torch.manual_seed(0)
    start = torch.randn(8, 4, 3, 3).to(memory_format=torch.channels_last)
    flat = torch.randn(start.numel())
    weight = torch.nn.Parameter(start.clone())
    weight.grad = laid_out(flat, weight.detach())
    assert weight.grad.stride() == weight.stride()
    torch.optim.SGD([weight], lr=1.0, fused=True).step()
    torch.testing.assert_close(weight.detach(), start - flat.view(8, 4, 3, 3))
