"""Breast masses, benign or malignant: a table whose units, gaps and case mix differ between hospitals."""
