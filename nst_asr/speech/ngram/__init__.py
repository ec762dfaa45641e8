"""n-gram language models: from text to ARPA (`train`), read, written, converted, pruned, and asked for perplexities."""
