"""What who adds an example to this project needs: its files and pages to begin with, and what is still missing."""
