import torch

from serhpo.model.attention import Attention, SelfAttention, rotated, sinusoidal
from serhpo.model.config import ModelConfig
from serhpo.model.frames import Frames


def test_attention_follows_its_formula():
    torch.manual_seed(0)
    attention = Attention(width=6, heads=2)
    x, memory = torch.randn(1, 3, 6), torch.randn(1, 4, 6)
    mask = torch.tensor([[True, True, False, True]])
    q, k, v = attention.query(x)[0], attention.key(memory)[0], attention.value(memory)[0]
    heads = []
    for head in (slice(0, 3), slice(3, 6)):
        scores = q[:, head] @ k[:, head].T / 3**0.5
        weights = scores[:, mask[0]].softmax(dim=1)
        heads.append(weights @ v[mask[0]][:, head])
    expected = attention.out(torch.cat(heads, dim=1))
    torch.testing.assert_close(attention(x, memory, mask)[0], expected)


def test_maps_are_the_weights_that_make_the_result():
    torch.manual_seed(0)
    attention = Attention(width=8, heads=2, rotary=True)
    x, mask = torch.randn(2, 5, 8), torch.arange(5) < torch.tensor([[5], [3]])
    maps = []
    torch.testing.assert_close(attention(x, x, mask, maps), attention(x, x, mask))
    torch.testing.assert_close(maps[0].sum(dim=-1), torch.ones(2, 2, 5))
    assert maps[0][1, :, :, 3:].abs().max() == 0


def test_rotated_products_depend_on_distance_only():
    torch.manual_seed(0)
    q, k = torch.randn(2, 1, 1, 1, 6).expand(2, 1, 1, 40, 6)
    scores = (rotated(q) @ rotated(k).transpose(-2, -1))[0, 0]
    for distance in (0, 1, 7):
        diagonal = scores.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal))
    assert (scores[0, 0] - scores[0, 5]).abs() > 1e-3


def test_rotation_of_one_pair_is_by_its_place_in_radians():
    x = torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]])
    expected = torch.tensor([[1.0, 0.0], [torch.cos(torch.tensor(1.0)), torch.sin(torch.tensor(1.0))]])
    torch.testing.assert_close(rotated(x)[0, 0], expected)


def test_sines_follow_their_formula():
    table = sinusoidal(50, 6, torch.device("cpu"))
    for place, index in ((0, 0), (3, 1), (49, 2)):
        angle = torch.tensor(place / 10_000 ** (2 * index / 6))
        torch.testing.assert_close(
            table[place, 2 * index : 2 * index + 2], torch.stack([angle.sin(), angle.cos()])
        )
    assert sinusoidal(4, 5, torch.device("cpu")).shape == (4, 5)


def test_without_position_the_order_of_frames_is_unknown_to_attention():
    turned, results = torch.tensor([3, 1, 0, 2]), {}
    for position in ("none", "sinusoidal", "rotary"):
        torch.manual_seed(0)
        attention = SelfAttention(ModelConfig(width=8, position=position)).eval()
        x = torch.randn(1, 4, 8)
        straight, other = (attention(Frames(v, torch.tensor([4]))).values for v in (x, x[:, turned]))
        results[position] = torch.allclose(straight[:, turned], other, atol=1e-5)
    assert results == {"none": True, "sinusoidal": False, "rotary": False}


def test_no_blocks_change_nothing():
    frames = Frames(torch.randn(1, 3, 8), torch.tensor([3]))
    config = ModelConfig(width=8, self_attention=0, position="sinusoidal")
    assert torch.equal(SelfAttention(config)(frames).values, frames.values)
