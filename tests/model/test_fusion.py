import torch

from serhpo.model.fusion import FUSIONS, Concatenation, build_fusion


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


def test_attention_over_streams_follows_its_formula():
    torch.manual_seed(0)
    fusion = FUSIONS["attention"](4, 2)
    vectors = torch.randn(2, 3, 4)
    scores = torch.cat(
        [fusion.score(torch.tanh(key(x))) for key, x in zip(fusion.keys, vectors, strict=True)], 1
    )
    shares = scores.exp() / scores.exp().sum(dim=1, keepdim=True)
    torch.testing.assert_close(fusion.weights(list(vectors)), shares)
    a, b = (value(x) for value, x in zip(fusion.values, vectors, strict=True))
    torch.testing.assert_close(fusion(list(vectors)), torch.tanh(shares[:, :1] * a + shares[:, 1:] * b))


def test_the_weight_of_a_gated_stream_is_its_mean_gate():
    fusion = FUSIONS["gated"](4, 2)
    torch.nn.init.zeros_(fusion.gates.weight)
    with torch.no_grad():
        fusion.gates.bias.copy_(torch.tensor([0.0] * 4 + [100.0] * 4))
    torch.testing.assert_close(fusion.weights([torch.randn(1, 4)] * 2), torch.tensor([[0.5, 1.0]]))


def test_one_stream_leaves_nothing_to_fuse():
    assert all(isinstance(build_fusion(name, 4, 1), Concatenation) for name in FUSIONS)
