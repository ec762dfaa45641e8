"""Images a second of training, this package's whole path beside timm's, alternating, as Markdown tables.

    python -m benchmarks.train_images [--net resnet20] [--loaders 0 2] [--rounds 7]
    python -m benchmarks.train_images --device cuda --precision bfloat16 --net efficientnet_b0 --batch 256 --loaders 8

Ours is `nst_asr.train.fit` on an `ImageObjective`: read, noise, forward, backward, SGD. The peer is the loop of timm's
training script, written here from what it does, as the library comes without it: `ImageDataset`, `create_loader` with
its prefetcher, `create_optimizer_v2`, autocast; no scheduler, average or log. Class folders are made here: 32 x 32 PNG
for a ResNet-20, 500 x 375 JPEG for EfficientNet-B0 at 224.

Alike: the net's code, batch, precision, torch's threads, cross-entropy, Nesterov's momentum without decay of biases;
two operations of magnitude 9 on every image without interpolation, Translate by 0.45 of the side, mirror images; padded
by 4 and cropped (32), or a random part (224), bilinear. `--loaders` N: N worker processes of a DataLoader (0: the
process that trains), max(1, N) reading threads of ours. The peer runs as it comes and channels last, as ours always is.

Different: ours keeps decoded images (`cache_mb`, its default; the row "nothing kept" decodes each time, and is what the
others are compared with); ours loads ahead in a thread where the peer with 0 workers loads between updates; ours sums
the loss in a float32 log-softmax, computes the norm of the gradient and looks at both at every update, which on a GPU
waits for it; its SGD is fused. timm has Invert and SolarizeAdd for our Identity. On a CPU loading and training share
the cores. `--device cuda` has not been run yet.

A round trains every system for some updates: the clock runs from the one after the warm-up, in the middle of the
training, so that what was loaded ahead at its beginning is about what is loaded ahead at its end.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from benchmarks.image_systems import AHEAD, KEEPING, NETS, READING, Job, Run, ours, peers, write_images


def main() -> None:
    """Print a table for every net and number of loaders."""
    options = _options()
    torch.set_num_threads(options.threads)
    for name in options.net:
        batch = options.batch or NETS[name].batch
        with tempfile.TemporaryDirectory() as folder:
            # more than are trained on, so that nobody's loaders run dry before the clock stops
            updates = options.warm_up + options.steps + AHEAD * max(1, *options.loaders)
            write_images(Path(folder), NETS[name], batch * updates)
            for loaders in options.loaders:
                job = _job(Path(folder), name, batch, loaders, options)
                runs = dict(ours(job)) | dict(peers(job))
                print(f"\n{name}, {job.side} px, batches of {batch}, loaders {loaders}, {_described(options)}\n")
                _show(_measure(runs, options.rounds), batch * options.steps)


def _job(folder: Path, name: str, batch: int, loaders: int, options: argparse.Namespace) -> Job:
    shared = {key: getattr(options, key) for key in ("steps", "warm_up", "threads", "device", "precision", "clock")}
    return Job(folder=folder, name=name, batch=batch, loaders=loaders, **shared)


def _measure(runs: Mapping[str, Run], rounds: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 1):  # the first warms up
        for name, run in runs.items():
            found = run()
            if turn:
                seconds[name].append(found)
    return seconds


def _show(seconds: Mapping[str, Sequence[float]], images: int) -> None:
    """The table of all systems, then how our loader and our model go alone."""
    print("| system | images / s | slowest to fastest | time, nst_asr with nothing kept = 1 | lowest to highest |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, found in seconds.items():
        ratios = _ratios(found, seconds[READING])
        cells = [
            name,
            f"{images / statistics.median(found):,.1f}",
            f"{images / max(found):,.1f} to {images / min(found):,.1f}",
            f"{statistics.median(ratios):.2f}",
            f"{min(ratios):.2f} to {max(ratios):.2f}",
        ]
        print(f"| {' | '.join(cells)} |")
    peer = min((name for name in seconds if name.startswith("timm")), key=lambda name: statistics.median(seconds[name]))
    for own in (READING, KEEPING):
        ratios = _ratios(seconds[peer], seconds[own])
        print(f"\n{own}: {statistics.median(ratios):.2f} times {peer} ({min(ratios):.2f} to {max(ratios):.2f})")
    for loader in ("loader alone, nothing kept", "loader alone"):
        ratios = _ratios(seconds["model alone"], seconds[loader])
        print(f"\n{loader}: {statistics.median(ratios):.2f} times the model's images / s; below 1 the model waits")


def _ratios(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """Round by round."""
    return [above / below for above, below in zip(numerators, denominators, strict=True)]


def _described(options: argparse.Namespace) -> str:
    clock = "wall time" if options.clock == "wall" else "processor time"
    return (
        f"{options.device}, {options.precision}, {options.threads} thread(s), {clock}, "
        f"{options.rounds} rounds of {options.steps} updates"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", nargs="+", choices=list(NETS), default=list(NETS))
    parser.add_argument("--batch", type=int, help="images of an update (128 at 32 px, 16 at 224)")
    parser.add_argument("--loaders", nargs="+", type=int, default=[0, 2], help="of both sides; a table each")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10, help="updates of a round that count")
    parser.add_argument("--warm-up", type=int, default=3, help="updates before them")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument(
        "--clock",
        default="wall",
        choices=["wall", "cpu"],
        help="cpu: the process's own seconds, of all its threads; for a machine that others use, with --loaders 0",
    )
    options = parser.parse_args()
    if options.clock == "cpu" and max(options.loaders) > 0:
        parser.error("--clock cpu does not see worker processes; give --loaders 0")
    return options


if __name__ == "__main__":
    main()
