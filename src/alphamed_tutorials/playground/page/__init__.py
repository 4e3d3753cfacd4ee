"""The page that a node's operator sees."""
