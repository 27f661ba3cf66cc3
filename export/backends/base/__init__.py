"""What the formats share: the description of a format, and int8 torch modules."""
