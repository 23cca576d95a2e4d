import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from serhpo.model.frames import Frames
from serhpo.model.recurrent import BidirectionalLayer


@pytest.mark.parametrize("cell", [nn.LSTM, nn.GRU])
def test_a_layer_equals_torch_on_packed_sequences(cell):
    torch.manual_seed(0)
    layer = BidirectionalLayer(cell, 8)
    packed = cell(8, 4, batch_first=True, bidirectional=True)
    state = dict(layer.ahead.state_dict())
    state |= {f"{name}_reverse": value for name, value in layer.back.state_dict().items()}
    packed.load_state_dict(state)
    x, lengths = torch.randn(3, 9, 8), torch.tensor([4, 9, 1])
    sequences, _ = packed(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
    expected, _ = pad_packed_sequence(sequences, batch_first=True)
    result = layer(Frames(x, lengths))
    torch.testing.assert_close(result.values * result.mask[..., None], expected)
