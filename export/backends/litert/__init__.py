"""LiteRT (TensorFlow Lite): a rewritten model as a file with a signature for each length."""
