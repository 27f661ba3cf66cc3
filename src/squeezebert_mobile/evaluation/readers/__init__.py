"""Labelled data: published file formats, and tables of one's own."""
