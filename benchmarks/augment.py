"""Images a second through the student's noise, on one thread, beside torchvision's and timm's PIL pipelines.

    python -m benchmarks.augment [--rounds 7] [--magnitude 9]

Three settings: 32 x 32 arrays (pad by 4, crop, flip, RandAugment), 224 from arrays of about 500 x 375 (random part,
resized, flip, RandAugment), and the same from JPEG, decoded in full by PIL for everybody. Images are made here: waves
with some grain. RandAugment carries out two operations; timm has the same scale, torchvision the nearest place on its
own. Nobody interpolates in geometry, all resize bilinearly. All end in bytes: ours in one array (B, S, S, 3), theirs in
an array or tensor an image. Peers start from loaded PIL images, ours from arrays. Rounds alternate; a ratio is the
median over the rounds of theirs to ours within a round, in processor time, so that other work matters less.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from timm.data.auto_augment import rand_augment_transform
from timm.data.transforms import RandomResizedCropAndInterpolation, ToNumpy
from torchvision import transforms

from nst_asr.vision.noise import NoisePlan, noised
from nst_asr.vision.randaugment import RandAugmentPlan, table_for_torchvision

_SIZES = ((375, 500), (500, 375), (333, 500), (500, 500), (400, 300))
Pipeline = Callable[[], Any]


def main() -> None:
    """Print images a second of every pipeline, and how many times the faster peer's ours is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--magnitude", type=float, default=9.0, help="on the authors' scale")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name, images, pipelines in _settings(arguments.magnitude):
        _measure(name, images, pipelines, arguments.rounds)


def _settings(magnitude: float) -> Iterator[tuple[str, int, dict[str, Pipeline]]]:
    small = np.stack([_picture(32, 32, seed) for seed in range(512)])
    yield "32 x 32 from arrays", len(small), _from_arrays(list(small), 32, magnitude)
    large = [_picture(*_SIZES[seed % len(_SIZES)], seed) for seed in range(64)]
    yield "224 x 224 from arrays", len(large), _from_arrays(large, 224, magnitude)
    files = [_jpeg(image) for image in large]
    yield "224 x 224 from JPEG", len(files), _from_jpeg(files, 224, magnitude)


def _from_arrays(images: list[np.ndarray], side: int, magnitude: float) -> dict[str, Pipeline]:
    pictures = [Image.fromarray(image) for image in images]
    ours, torchvision, timm = _ours(side, magnitude), _torchvision(side, magnitude), _timm(side, magnitude)
    return {
        "nst_asr": lambda: ours(images),
        "torchvision": lambda: [torchvision(picture) for picture in pictures],
        "timm": lambda: [timm(picture) for picture in pictures],
    }


def _from_jpeg(files: list[bytes], side: int, magnitude: float) -> dict[str, Pipeline]:
    ours, torchvision, timm = _ours(side, magnitude), _torchvision(side, magnitude), _timm(side, magnitude)
    return {
        "nst_asr": lambda: ours([np.asarray(_decoded(file)) for file in files]),
        "torchvision": lambda: [torchvision(_decoded(file)) for file in files],
        "timm": lambda: [timm(_decoded(file)) for file in files],
        "decoding alone": lambda: [_decoded(file).load() for file in files],
    }


def _ours(side: int, magnitude: float) -> Callable[[list[np.ndarray]], np.ndarray]:
    plan = NoisePlan(rand_augment=RandAugmentPlan(magnitude=magnitude), crop="pad" if side == 32 else "resized")
    turn = iter(range(10**9))

    def pipeline(images: list[np.ndarray]) -> np.ndarray:
        seeds = np.random.default_rng(next(turn)).integers(0, 2**63, len(images)).astype(np.uint64)
        return noised(images, seeds, plan, side)

    return pipeline


def _torchvision(side: int, magnitude: float) -> Any:
    places = [found.place for found in table_for_torchvision(magnitude).values() if found.there]
    place = round(statistics.median(places))
    crop = transforms.RandomCrop(32, padding=4) if side == 32 else transforms.RandomResizedCrop(side)
    augment = transforms.RandAugment(2, place, fill=[128, 128, 128])
    return transforms.Compose([crop, transforms.RandomHorizontalFlip(), augment, transforms.PILToTensor()])


def _timm(side: int, magnitude: float) -> Any:
    # every operation is carried out, and without interpolation, as here; as it comes timm leaves out every other one
    settings = {"img_mean": (128, 128, 128), "interpolation": Image.Resampling.NEAREST, "translate_const": side / 2.24}
    augment = rand_augment_transform(f"rand-m{round(magnitude)}-n2-p1.0-mmax100", settings)
    resized: Any = RandomResizedCropAndInterpolation
    crop = transforms.RandomCrop(32, padding=4) if side == 32 else resized(side)
    return transforms.Compose([crop, transforms.RandomHorizontalFlip(), augment, ToNumpy()])


def _decoded(file: bytes) -> Image.Image:
    return Image.open(io.BytesIO(file)).convert("RGB")


def _measure(name: str, images: int, pipelines: dict[str, Pipeline], rounds: int) -> None:
    seconds: dict[str, list[float]] = {pipeline: [] for pipeline in pipelines}
    for turn in range(rounds + 1):  # the first warms up
        for pipeline, run in pipelines.items():
            start = time.process_time()
            run()
            if turn:
                seconds[pipeline].append(time.process_time() - start)
    print(f"{name}, {rounds} rounds of {images} images")
    for pipeline, found in seconds.items():
        ratio = statistics.median(theirs / ours for theirs, ours in zip(found, seconds["nst_asr"], strict=True))
        print(f"  {pipeline}: {images / statistics.median(found):,.0f} images/s, takes {ratio:.2f} times as long")
    peer = min(("torchvision", "timm"), key=lambda pipeline: statistics.median(seconds[pipeline]))
    ratios = [theirs / ours for theirs, ours in zip(seconds[peer], seconds["nst_asr"], strict=True)]
    print(f"  {statistics.median(ratios):.2f} times the faster peer, {peer} ({min(ratios):.2f} to {max(ratios):.2f})")


def _picture(height: int, width: int, seed: int) -> np.ndarray:
    """A few waves in each channel, and grain: compresses about as photographs do."""
    random = np.random.default_rng(seed)
    down, along = np.mgrid[:height, :width] / max(height, width)
    waves = sum(
        random.normal(size=3) * np.sin(random.uniform(2, 30, 2) @ [down.ravel(), along.ravel()])[:, None]
        for _ in range(6)
    )
    grain = random.normal(scale=6, size=(height * width, 3))
    return np.asarray(np.clip(128 + 30 * waves + grain, 0, 255), np.uint8).reshape(height, width, 3)


def _jpeg(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=90)
    return file.getvalue()


if __name__ == "__main__":
    main()
