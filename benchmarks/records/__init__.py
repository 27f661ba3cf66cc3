"""What a measurement leaves behind."""
