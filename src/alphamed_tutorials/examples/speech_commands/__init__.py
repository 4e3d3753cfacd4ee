"""Spoken words: a task whose data have natural owners, the speakers."""
