"""A Transformer that predicts the next word of a text, trained on WikiText-2."""
