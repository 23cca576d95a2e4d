import pytest
import torch
from torch.nn import functional

from serhpo.model.frames import Frames, StridedConv


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (5, 1), (4, 2), (8, 4), (4, 4), (80, 40)])
@pytest.mark.parametrize("steps", [1, 7, 160, 203])
def test_strided_convolution_equals_torch(kernel, stride, steps):
    conv = StridedConv(5, 6, kernel, stride)
    x = torch.randn(2, steps, 5)
    groups = kernel // stride
    weight = conv.weight.view(groups, 6, stride, 5).permute(1, 3, 0, 2).reshape(6, 5, kernel)
    length = -(-steps // stride)
    padding = (conv.before, conv.after + length * stride - steps)
    expected = functional.conv1d(functional.pad(x.transpose(1, 2), padding), weight, conv.bias, stride)
    result = conv(Frames(x, torch.tensor([steps, steps])))
    assert result.values.shape == (2, length, 6)
    assert result.lengths.tolist() == [length, length]
    torch.testing.assert_close(result.values, expected.transpose(1, 2), atol=1e-5, rtol=1e-5)


def test_mask_and_zeros_behind_the_end():
    frames = Frames(torch.ones(2, 3, 1), torch.tensor([3, 1]))
    assert frames.mask.tolist() == [[True, True, True], [True, False, False]]
    assert frames.masked[..., 0].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert Frames(torch.full((1, 2, 1), float("nan")), torch.tensor([1])).masked[0, 1, 0] == 0
