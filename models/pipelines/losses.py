"""The tutorial's section 10.4: what custom losses make of an error, beside the usual ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from models.lazy import lazy
from models.params import FocalAlpha, PipelineParams
from models.pipelines.base import Pipeline
from models.run import Outcome, RunContext

if TYPE_CHECKING:
    import numpy as np

    from models import artifacts, plots
    from models.losses import curves as loss_curves
else:
    np = lazy("numpy")
    artifacts, plots = lazy("models.artifacts"), lazy("models.plots")
    loss_curves = lazy("models.losses.curves")

TOP = 4.0
"""Where the drawn curves that go to infinity end."""
WIDEST = 3.0
"""The largest drawn error, in units of `beta`."""
NEAR = 0.5
"""How far the drawn triplets' positive is."""

Gamma = Annotated[float, Field(ge=0, le=10)]
Margin = Annotated[float, Field(gt=0, le=10)]


class LossesParams(PipelineParams, frozen=True):
    points: int = Field(default=101, ge=11, le=1001, description="Values of each curve")
    alpha: FocalAlpha = 0.25
    gammas: list[Gamma] = Field(
        default=[0.5, 2.0, 5.0],
        min_length=1,
        max_length=5,
        description="Focusing exponents of the focal loss, a curve each",
    )
    beta: float = Field(
        default=0.5,
        gt=0,
        le=1e3,
        description="Error where squared turns linear (smooth L1, Huber; at 1 they are the same)",
    )
    smooth: float = Field(
        default=1.0, ge=1e-6, le=1e6, description="Pixels added to overlap and sizes (Dice)"
    )
    margins: list[Margin] = Field(
        default=[0.2, 0.5, 1.0],
        min_length=1,
        max_length=5,
        description="Margins of the triplet loss, a curve each",
    )


def run(context: RunContext, params: LossesParams) -> Outcome:
    files = artifacts.Artifacts(context)
    _draw(files, "focal", "Focal loss beside cross-entropy", _classification(params))
    _draw(files, "regression", "Losses of a regression", [_regression(params)])
    _draw(files, "dice", "Dice loss beside cross-entropy", _overlap(params))
    _draw(files, "triplet", "Triplet loss", [_triplets(params)])
    return Outcome(_known_values(params))


def _classification(params: LossesParams) -> list[plots.Panel]:
    given = loss_curves.probabilities(params.points)
    return [
        plots.Panel(
            f"Target {target}",
            "Predicted probability of class 1",
            "Loss",
            given,
            loss_curves.of_probability(given, target, params.alpha, params.gammas),
            TOP,
        )
        for target in (0, 1)
    ]


def _regression(params: LossesParams) -> plots.Panel:
    errors = np.linspace(-WIDEST, WIDEST, params.points) * params.beta
    lines = loss_curves.of_error(errors.tolist(), params.beta)
    title = f"beta {params.beta:g}"
    return plots.Panel(title, "Error", "Loss", errors.tolist(), lines, max(lines["absolute"]) * 1.5)


def _overlap(params: LossesParams) -> list[plots.Panel]:
    picture, whole = loss_curves.PICTURE, loss_curves.OBJECT
    found, sizes = range(whole + 1), range(2, picture // 2 + 1, 2)
    by_overlap = loss_curves.of_overlap(found, params.smooth)
    by_size = loss_curves.of_size(sizes, params.smooth)
    return [
        plots.Panel(
            f"An object on {whole / picture:.2%} of the picture",
            "Share of the object that is found",
            "Loss",
            [pixels / whole for pixels in found],
            by_overlap,
        ),
        plots.Panel(
            "Half of the object is found",
            "Share of the picture that the object covers",
            "Loss",
            [size / picture for size in sizes],
            by_size,
        ),
    ]


def _triplets(params: LossesParams) -> plots.Panel:
    ends = -NEAR / 2, 1.25 * max(params.margins)
    differences = np.linspace(*ends, params.points).tolist()
    lines = loss_curves.of_distance(differences, NEAR, params.margins)
    title = f"Positive at {NEAR:g}"
    name = "How much farther the negative is than the positive"
    return plots.Panel(title, name, "Loss", differences, lines)


def _draw(files: artifacts.Artifacts, name: str, title: str, panels: list[plots.Panel]) -> None:
    numbers = {panel.title: {"x": panel.x, **panel.lines} for panel in panels}
    files.plot(name, title, plots.functions(panels, title), numbers)


def _known_values(params: LossesParams) -> dict[str, float]:
    """Values with a closed form, for whoever wants to check them by hand.

    An easy row's discount is the paper's: at a probability of 0.9 of the true class and gamma 2 a
    row counts a hundredth of what it does in cross-entropy (Lin et al., 2017, section 3.2).
    """
    easy = loss_curves.of_probability([0.9], 1, 0.5, [2.0])
    errors = loss_curves.of_error([params.beta], params.beta)
    overlap = loss_curves.of_overlap([0, loss_curves.OBJECT], params.smooth)["Dice"]
    triplet = loss_curves.of_distance([0.0], NEAR, params.margins[:1])
    return {
        "focal_discount_of_an_easy_row": easy["cross-entropy"][0]
        / (easy["focal, gamma 2"][0] / 0.5),
        "smooth_l1_at_beta": errors["smooth L1"][0],
        "huber_at_beta": errors["Huber"][0],
        "dice_without_overlap": overlap[0],
        "dice_with_full_overlap": overlap[1],
        "triplet_at_equal_distances": next(iter(triplet.values()))[0],
    }


PIPELINE = Pipeline(
    name="losses",
    title="Focal, Dice, triplet and smooth L1 loss beside the usual ones",
    section="10.4",
    task="experiment",
    params=LossesParams,
    run=run,
    produces_model=False,
)
