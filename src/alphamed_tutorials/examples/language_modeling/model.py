"""The Transformer that predicts the next word, and its form for use outside training."""

# --8<-- [start:imports]
import math
from collections.abc import Sequence

import torch
from torch import nn

# --8<-- [end:imports]


# --8<-- [start:position]
class PositionalEncoding(nn.Module):
    """Add to each word's vector where the word stands; attention does not see order.

    Args:
        width: Numbers in a word's vector.
        dropout: Share of them that training sets to zero.
        max_length: The longest text, in words.
    """

    table: torch.Tensor

    def __init__(self, width: int, dropout: float, max_length: int = 1000):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        positions = torch.arange(max_length).unsqueeze(1)
        frequencies = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000) / width))
        table = torch.zeros(max_length, width)
        table[:, 0::2] = torch.sin(positions * frequencies)
        table[:, 1::2] = torch.cos(positions * frequencies)
        self.register_buffer("table", table, persistent=False)  # never sent

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return [N, T, width] of [N, T, width]."""
        return self.dropout(x + self.table[: x.shape[1]])


# --8<-- [end:position]


# --8<-- [start:model]
class TransformerModel(nn.Module):
    """Give each next word of a text a score.

    Args:
        words: The vocabulary; index 0 stands for every word not in it.
        width: Numbers in a word's vector.
        num_heads: Heads of each attention.
        num_layers: Encoder layers.
        hidden: Width of each layer's feed-forward part.
        dropout: Share of the activations that training sets to zero.
    """

    def __init__(
        self,
        words: Sequence[str],
        width: int = 200,
        num_heads: int = 2,
        num_layers: int = 2,
        hidden: int = 200,
        dropout: float = 0.1,
    ):
        super().__init__()
        self.words = list(words)
        self.scale = math.sqrt(width)
        self.embedding = nn.Embedding(len(words), width)
        self.position = PositionalEncoding(width, dropout)
        layer = nn.TransformerEncoderLayer(
            width, num_heads, hidden, dropout, batch_first=True
        )
        self.encoder = nn.TransformerEncoder(
            layer, num_layers, enable_nested_tensor=False
        )
        self.decoder = nn.Linear(width, len(words))
        for parameter in (self.embedding.weight, self.decoder.weight):
            nn.init.uniform_(parameter, -0.1, 0.1)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return scores [N, T, words] of what follows each of the tokens [N, T]."""
        length = tokens.shape[1]
        # Nobody looks ahead.
        mask = torch.full((length, length), float("-inf"), device=tokens.device).triu(1)
        x = self.position(self.embedding(tokens) * self.scale)  # [N, T, width]
        x = self.encoder(x, mask=mask, is_causal=True)  # [N, T, width]
        return self.decoder(x)


# --8<-- [end:model]


# --8<-- [start:predictor]
class Predictor(nn.Module):
    """Answer for a text: what is exported. The vocabulary goes with it as `words`.

    Args:
        model: The trained network.
    """

    axes = ("batch", "length")  # what may vary when the model runs as ONNX

    def __init__(self, model: TransformerModel):
        super().__init__()
        self.model = model
        self.words = model.words

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return each word's probability [N, words] to follow a text [N, T] of indices."""
        inside = (tokens >= 0) & (tokens < len(self.words))
        known = torch.where(inside, tokens, torch.zeros_like(tokens))
        return self.model(known)[:, -1].softmax(1)


# --8<-- [end:predictor]
