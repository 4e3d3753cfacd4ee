"""A service that speaks AlphaMed's protocol on the reader's own machines: a hub, an agent a node, a child a task.

The hub (`hub/`) knows the nodes and keeps their sealed messages; an agent (`agent/`) guards one node and is to the SDK
what the platform is; a child (`child/`) runs the unmodified SDK and the task's code. Hub and agent import no torch.
"""
