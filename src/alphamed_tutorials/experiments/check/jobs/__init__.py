"""Programs that each run in a clean process: `main` takes and returns what JSON can hold."""
