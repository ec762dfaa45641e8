"""Neural language models on a run's units: trained by the same fit(), used to rescore what a search found."""
