"""noisy_student(): the method on one screen.

Park et al. 2020, "Improved Noisy Student Training for Automatic Speech Recognition", section 2; Xie et al. 2020,
"Self-training with Noisy Student improves ImageNet classification", algorithm 1. It knows neither audio nor images.
Every step is made once; started again after a crash, the loop goes on where it was.
"""

from __future__ import annotations

from nst_asr import steps
from nst_asr.alarms import Turn
from nst_asr.corpus import Corpus
from nst_asr.key import Key
from nst_asr.mix import mix
from nst_asr.plan import D, Plan, T
from nst_asr.run import Run
from nst_asr.task import Model, Task


def noisy_student(task: Task[T, D], corpus: Corpus, plan: Plan[T, D], run: Run) -> list[Model]:
    """The models of all generations, the teacher first."""
    key = Key(plan.seed)
    models = [steps.train(run, task, "gen0/student", mix(corpus.labeled), plan.teacher, None, key["generation", 0])]
    scores = [steps.score(run, task, "gen0/score.json", models[0], corpus.dev, plan)]
    teacher = 0  # the number of the generation that teaches
    turn: Turn | None = None

    for number, generation in enumerate(plan.generations, 1):
        at, here = f"gen{number}", key["generation", number]
        steps.compare_noise(run, f"{at}/noise.json", plan, teacher, number)

        # evaluation mode, clean input: a labeler takes no noise
        labeler = steps.labeler(run, task, f"{at}/0-fusion.json", [models[teacher]], corpus.dev, generation.label)
        heard = steps.label(run, labeler, f"{at}/0-heard", corpus.dev.without_labels(), plan)
        gauge = steps.fit_gauge(run, f"{at}/0-gauge.json", heard, corpus.dev, generation.filter)
        labels = steps.label(run, labeler, f"{at}/1-labels", corpus.unlabeled, plan)
        verdicts = steps.filter(run, f"{at}/2-verdicts.parquet", labels, gauge, generation.filter)
        shares = task.shares(corpus.labeled, [models[teacher]])
        copies = steps.balance(
            run, f"{at}/3-copies.parquet", labels, verdicts, shares, generation.balance, here, generation.weigh
        )
        before, turn = turn, Turn(number, teacher, heard, labels, verdicts)
        steps.alarms(run, f"{at}/3-alarms.json", corpus, turn, before, plan.alarms)

        # the student is noised, and never sees a label that the filter rejected
        data = mix(corpus.labeled, corpus.unlabeled, labels.targets(), copies, generation.mix)
        init = models[teacher].path if generation.init == "teacher" else None
        models.append(steps.train(run, task, f"{at}/4-student", data, generation.student, init, here))
        scores.append(steps.score(run, task, f"{at}/5-score.json", models[number], corpus.dev, plan))

        decision = steps.succeed(run, f"{at}/6-teacher.json", scores, teacher, number, plan)
        teacher = decision["teacher"]
        if decision["stop"]:
            break
    return models
