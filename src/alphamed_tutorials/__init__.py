"""Worked examples that turn PyTorch training code into AlphaMed federated learning tasks."""

import logging

# `import alphafed` writes ./alphafed.log and turns root logging to DEBUG unless these two loggers exist.
logging.getLogger("alphafed")
logging.getLogger("task")
