"""Pedestrians found and outlined: torchvision's detection finetuning tutorial, federated."""
