"""Training with the rounded weights and inputs of an export to int8 or int4."""
