"""Native libraries for phones: published files, Maven, archives, the cache."""
