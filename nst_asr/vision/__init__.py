"""Image classification as a task of the loop: images, noise, nets, soft labels, robustness."""
