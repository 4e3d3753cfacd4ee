"""The hub: which nodes there are, what tasks they share, and their sealed messages; it can read none of these."""

from .nodes import history, invite, revoke

__all__ = ["history", "invite", "revoke"]
