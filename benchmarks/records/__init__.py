"""Records of measurements: results, journal, statistics."""
