import torch

from serhpo.model.fusion import FUSIONS


def test_gated_fusion_follows_its_formula():
    torch.manual_seed(0)
    fusion = FUSIONS["gated"](4, 2)
    a, b = torch.randn(2, 3, 4)
    gates = torch.sigmoid(torch.cat([a, b], dim=1) @ fusion.gates.weight.T + fusion.gates.bias)
    values = [
        torch.tanh(x @ layer.weight.T + layer.bias) for x, layer in zip((a, b), fusion.values, strict=True)
    ]
    expected = gates[:, :4] * values[0] + gates[:, 4:] * values[1]
    torch.testing.assert_close(fusion([a, b]), expected)


def test_concatenation_reads_every_stream():
    torch.manual_seed(0)
    fusion = FUSIONS["concatenation"](4, 3)
    vectors = [torch.randn(2, 4) for _ in range(3)]
    result = fusion(vectors)
    assert result.shape == (2, 4)
    assert not torch.equal(result, fusion([vectors[0], vectors[1], vectors[2] + 1]))
