"""From a corpus of images of any kind to rows that say where each image lies."""
