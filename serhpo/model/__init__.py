"""The joint model: parallel encoders, self- and co-attention, pooling, fusion, two heads."""
