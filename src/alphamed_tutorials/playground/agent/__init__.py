"""The agent: a node's one process that talks to the hub, and is the platform to the SDK in its children."""
