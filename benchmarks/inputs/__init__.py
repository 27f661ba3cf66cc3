"""The inputs of model files of other makers: filled by name, or as --input says."""
