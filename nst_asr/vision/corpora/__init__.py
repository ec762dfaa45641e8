"""From a corpus of images of any kind to rows that say where each image lies."""

KINDS = ("folder", "shards", "cifar10", "digits")  # that `nst-asr prepare-images` reads
