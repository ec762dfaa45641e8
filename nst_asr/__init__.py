"""Noisy student training (NST) for speech recognition, on a loop that knows no audio.

                 labeled ---------------------------+
                    |                               |
                    v                               v
    teacher = train(labeled)          student = train(mix(labeled, kept x copies), noise)
       |                                            ^                       |
       v                                            |                       |
    label(unlabeled) -> gauge(dev) -> filter -> balance                     |
       ^                                                                    |
       +------------------- the student is the next teacher <--------------+

`loop.noisy_student` is this drawing as code; `speech` is the task it is made for. Importing the package imports no
torch.
"""

__version__ = "0.1.0"
