"""Handwritten digits: the smallest complete federated task."""
