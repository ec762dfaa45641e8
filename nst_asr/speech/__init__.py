"""Speech recognition as a task of the loop: audio, features, noise, tokenizer, Conformer, CTC, decoding."""
