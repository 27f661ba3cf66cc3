"""Readers of labelled data: the published formats, and tables in CSV, TSV and JSONL."""
