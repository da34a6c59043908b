"""Codes of the training split that several processes compute together have the bits they have in one."""

import os
import signal
import time

import pytest
import torch

from latentbench import ContractError, LatentSpace, Posterior
from latentbench.execution.side_by_side.fork import Fork
from latentbench.execution.side_by_side.shared_codes import SharedRows, with_shared_codes
from latentbench.latent.parts import SpaceData, SpaceMaps
from latentbench.latent.seals import broken_seals, seal
from latentbench.latent.space import OtherSplits
from latentbench.latent.split_inputs import SplitInputs

ROWS = 5000
INPUTS = torch.randn(ROWS, 8, generator=torch.Generator().manual_seed(0)).numpy()
WEIGHTS = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))


def counted(start, stop):
    time.sleep(0.002)
    return torch.arange(start, stop)[:, None] * torch.ones(2)


def told_by(*works):
    forks = [Fork(work) for work in works]
    told = [list(fork.messages(to_the_end=True)) for fork in forks]
    for fork in forks:
        fork.end()
    return told


def test_all_rows_are_there_in_order_and_each_part_is_computed_once():
    rows = SharedRows(1000, 2, torch.float32, at_once=7)

    def work(tell):
        parts = []

        def compute(start, stop):
            parts.append([start, stop])
            return counted(start, stop)

        filled = rows.filled(compute)
        tell([bool((filled == counted(0, 1000)).all()), parts])

    told = told_by(work, work)
    assert [right for (right, _) in (messages[0] for messages in told)] == [True, True]
    parts = sorted(part for messages in told for part in messages[0][1])
    assert len({start for start, _ in parts}) >= len(parts) - 1  # the very last may be computed by both
    assert all((stop - start) % 7 == 0 for start, stop in parts if stop < 1000)
    assert min(len(messages[0][1]) for messages in told) > 1


def test_what_a_process_took_that_died_is_computed_again():
    rows = SharedRows(100, 2, torch.float32, at_once=10)

    def die(start, stop):
        if start:
            os.kill(os.getpid(), signal.SIGKILL)
        return counted(start, stop)

    told_by(lambda _: rows.filled(die))
    computed = []
    filled = rows.filled(lambda *part: computed.append(part) or counted(*part))
    assert torch.equal(filled, counted(0, 100))
    assert computed == [*((start, start + 10) for start in range(20, 100, 10)), (10, 20)]


def test_what_cannot_be_computed_fails_for_all():
    rows = SharedRows(20, 2, torch.float32, at_once=10)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            rows.filled(lambda *_: 1 / 0)
    with pytest.raises(ContractError, match=r"here torch.float32 of \(10, 2\), got torch.float64 of \(10, 2\)"):
        rows.filled(lambda *part: counted(*part).double())


class Narrow(Posterior):
    """A family of its own."""


def posterior(inputs):
    return Narrow(inputs @ WEIGHTS, (inputs @ WEIGHTS).abs())


def space_of(**maps):
    def seen(inputs, train=None):
        data = SpaceData(inputs=SplitInputs(inputs, torch.device("cpu")))
        return LatentSpace(data, SpaceMaps(**maps), OtherSplits(train=train))

    return seen(INPUTS[:700], seen(INPUTS))


@pytest.mark.parametrize("at_once", [None, 300])
@pytest.mark.parametrize(
    "maps", [{"encode": lambda inputs: inputs @ WEIGHTS}, {"encode": None, "posterior": posterior}]
)
def test_a_space_has_the_codes_it_has_in_one_process(maps, at_once):
    alone, shared = (
        space_of(**maps, rows_at_once=at_once),
        with_shared_codes(space_of(**maps, rows_at_once=at_once)),
    )

    def work(tell):
        tell(torch.equal(shared.arranged.train.codes, alone.train.codes))

    forks = told_by(work, work)
    assert forks == [[True], [True]]
    assert torch.equal(shared.train.codes, alone.train.codes)
    if "posterior" in maps:
        assert type(shared.train.posterior) is Narrow
        assert torch.equal(shared.train.posterior.variance, alone.train.posterior.variance)
    assert shared.supplies == alone.supplies
    assert torch.equal(shared.codes, alone.codes)


def test_what_is_computed_of_a_space_stays_with_its_seals():
    space = space_of(posterior=posterior)
    codes, _ = space.codes, seal(space)
    shared = with_shared_codes(space)
    assert shared.codes is codes
    assert broken_seals(shared) == []
    codes.numpy()[0] = 5
    assert broken_seals(shared) == ["codes", "posterior"]


@pytest.mark.parametrize(
    "space",
    [
        lambda: LatentSpace.from_arrays(codes=INPUTS),
        lambda: space_of(encode=lambda inputs: inputs @ WEIGHTS).replaced(train=None),
        lambda: (space := space_of(posterior=posterior), space.train.codes)[0],
        lambda: space_of(posterior=lambda inputs: Posterior(inputs, inputs[:, :1].abs())),
    ],
    ids=["no training split", "none any more", "codes are there", "one variance for all dimensions"],
)
def test_other_spaces_stay_as_they_are(space):
    made = space()
    assert with_shared_codes(made) is made
