"""Ants and bees: transfer learning, where only what is trained has to travel."""
