import csv
import io
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from latentbench.errors import RequestError, UnknownNameError
from latentbench.table.build import comparison_table
from latentbench.table.render import render


def printed(results, form="text", width=100, **options):
    return render(comparison_table(results, **options), form, width)


def column_of(results, label, **options):
    comparison = comparison_table(results, **options).comparisons[0]
    place = [column.label for column in comparison.columns].index(label)
    return {row.score: row.cells[place] for row in comparison.rows}


HINT = "more: `latentbench table RUN` with --all, --for walk, --relative, --ranks; `latentbench info SCORE`"

GOLDEN = """\
fashion_mnist  d=16  4 epochs  Gaussian, sigma learned  5 seeds  18/18 trials ok
To find similar items from sampled codes (knn10_sample): vae.
To reconstruct the input (r2), to find similar items (knn10) and to interpolate
  between items (walk_kd): ae and vae, not separable.
To group items by class (ari): ae and vae, not separable; beta_vae(4) is not
  separable from them, but does not clearly beat pca or pixels.

for    score              better  floor    pca            ae           vae  beta_vae(4)  pixels    n
keep   r2                     up   .000   .771   * .874±.003   = .874±.002    .853±.002   1.000  10k
find   knn10                  up   .760   .837   * .862±.003   = .861±.003    .851±.002    .852  10k
find   knn10_sample           up   .100    - a           - a   * .858±.003    .802±.002     - a  10k
group  ari                    up   .000   .365   * .422±.017   = .412±.027  = .371±.028    .350   3k
walk   walk_kd              down  1.000  1.380  * 0.620±.003  = 0.621±.002   0.700±.002   1.000   1k
use    rate, nats           none    0.0    - a           - a      45.7±1.0     22.6±0.4     - a  10k
cost   train_seconds        down      -      2      94.0±0.8    * 75.0±0.7     91.0±0.3       -    1
cost   images_per_second      up      -      -      12.1±.2k    * 15.2±.2k     12.5±.2k       -    1
cost   peak_memory_bytes    down      -  655MB     * 640±4MB     = 642±4MB      690±4MB       -    1
* best   = not separable (paired, Holm, 95 %)   ± 95 % interval over seeds   pca, pixels: one trial
sentences: against pca, pixels, untrained and the floor (paired, Holm, 95 %)
pixels is the truth in r2
significance covers seeds only (no per-item values): r2, knn10, knn10_sample, ari, walk_kd
a no posterior
cost: cpu, 1 thread, 2 trials at once, ungrouped, float32   clean times: --timing
more: `latentbench table RUN` with --all, --for walk, --relative, --ranks; `latentbench info SCORE`
"""


def test_printing_a_table_loads_neither_torch_nor_matplotlib():
    loaded = "sorted({'torch', 'matplotlib', 'PIL'} & set(sys.modules))"
    code = f"import sys, latentbench.table.render; print({loaded})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_table_looks_as_drawn(drawn_results):
    assert printed(drawn_results().results()) == GOLDEN


def test_all_that_a_preset_prints_below_its_table_fits_seven_lines(drawn_results):
    build = drawn_results()
    no_value = {"value": math.nan, "status": "not applicable", "reason": "no ground-truth factors"}
    r2 = [row for row in build.rows if row["score"] == "r2"]
    build.rows += [row | no_value | {"score": "dci_disentanglement", "purpose": "factors"} for row in r2]
    for row in build.rows:
        row.update(device="Intel(R) Xeon(R) Processor", precision="bfloat16")
        if row["score"] in ("r2", "knn10", "knn10_sample"):
            build.per_item[row["trial"], row["score"]] = np.full(50, row["value"])
    text = printed(build.results())
    below = text[text.index("* best") :].splitlines()
    assert below == [
        "* best   = not separable (paired, Holm, 95 %)   ± 95 % interval over seeds   pca, pixels: one trial",
        "sentences: against pca, pixels, untrained and the floor (paired, Holm, 95 %)",
        "pixels is the truth in r2",
        "significance covers seeds only (no per-item values): ari, walk_kd   a no posterior",
        "not applicable to any model here: dci_disentanglement (no ground-truth factors)",
        "cost: Intel Xeon Processor, 1 thread, 2 trials at once, ungrouped, bfloat16   clean times: --timing",
        HINT,
    ]
    assert max(map(len, below)) <= 100


def test_lines_fit_the_page_and_blocks_repeat_the_first_columns(drawn_results):
    build = drawn_results()
    for size in (1, 2, 8, 16):
        build.add(f"beta_vae(beta={size},latent_dim=8)", {"r2": 0.5, "rate": 12.0})
    text = printed(build.results())
    assert max(map(len, text.splitlines())) <= 100
    assert text.count("for    score") > 1
    assert text.count("keep   r2 ") == text.count("for    score")
    assert "(beta=16," in text
    assert "latent_dim=8)" in text


@pytest.mark.parametrize("width", [60, 80, 100, 140, 200])
def test_text_fits_the_width_and_loses_nothing(drawn_results, width):
    build = drawn_results()
    for size in (1, 2, 8, 16):
        build.add(f"beta_vae(beta={size},latent_dim=8)", {"r2": 0.5, "rate": 12.0})
    build.rows[0] |= {"status": "failed", "value": math.nan, "reason": "a long reason " * 12}
    text = printed(build.results(), width=width, every=True)
    assert max(map(len, text.splitlines())) <= width
    assert " ".join(text.split()).endswith(HINT)
    rows = [line for line in text.splitlines() if line.startswith("keep   r2 ")]
    widest = printed(build.results(), width=400, every=True)
    (whole,) = (line for line in widest.splitlines() if line.startswith("keep   r2 "))
    assert set(whole.split()) == set(" ".join(rows).split())


def test_a_page_too_narrow_for_a_model_still_shows_each_whole(drawn_results):
    text = printed(drawn_results().results(), width=30)
    assert text.count("for    score") == 5
    assert "* .874±.003" in text


def test_all_shows_the_floors_models_and_every_score(drawn_results):
    results = drawn_results().results()
    assert "untrained" not in [column.label for column in comparison_table(results).comparisons[0].columns]
    assert " mse " not in printed(results)
    everything = printed(results, every=True)
    assert "untrained" in everything
    assert " mse " in everything
    assert "... not computed" in everything


def test_a_purpose_shows_all_its_scores_and_no_others(drawn_results):
    table = comparison_table(drawn_results().results(), purposes=("keep", "walk"))
    assert [row.score for row in table.comparisons[0].rows] == ["r2", "mse", "walk_kd"]


def test_an_unknown_purpose_names_the_near_one(drawn_results):
    with pytest.raises(UnknownNameError, match="no purpose 'wlak'; did you mean 'walk'"):
        comparison_table(drawn_results().results(), purposes=("wlak",))


def test_relative_puts_the_floor_at_zero_and_the_ceiling_at_one(drawn_results):
    cells = column_of(drawn_results().results(), "pixels", relative=True)
    assert {score: cell.mean for score, cell in cells.items()} == {"r2": 1.0}
    text = printed(drawn_results().results(), relative=True)
    omitted = "knn10_sample, walk_kd, rate, train_seconds, images_per_second, peak_memory_bytes"
    assert f"no floor or ceiling: {omitted}" in " ".join(text.split())
    assert "no ceiling, as some model exceeds it: knn10, ari" in text
    assert "cost:" not in text


def test_relative_turns_a_score_that_should_be_low(builder):
    builder.add("ae", {"mse": 0.2}, floor=0.5, ceiling=0.0, headline=True)
    builder.add("vae", {"mse": 0.3}, floor=0.5, ceiling=0.0, headline=True)
    row = comparison_table(builder.results(), relative=True).comparisons[0].rows[0]
    assert row.better == "up"
    assert row.cells[0].mean == pytest.approx(0.6)
    assert row.cells[0].low < row.cells[0].mean < row.cells[0].high
    assert row.cells[0].mark == "*"


def test_under_five_seeds_there_are_no_stars(drawn_results):
    text = printed(drawn_results(seeds=3).results())
    assert "no stars with fewer than five seeds" in text
    assert "*" not in text
    assert "3 seeds" in text


def test_references_are_never_starred(drawn_results):
    build = drawn_results()
    for row in build.rows:
        row["value"] = 0.999 if row["label"] == "pca" and row["score"] == "knn10" else row["value"]
    marks = {label: column_of(build.results(), label)["knn10"].mark for label in ("pca", "ae", "vae")}
    assert marks == {"pca": "", "ae": "*", "vae": "="}


@pytest.mark.parametrize("flag", ["collapsed", "not converged"])
def test_a_flagged_model_is_never_starred(drawn_results, flag):
    build = drawn_results()
    flagged = [row for row in build.rows if row["label"] == "ae" and row["seed"] in (1, 3)]
    for row in flagged:
        row["flags"] = (flag,)
    text = printed(build.results())
    assert "  ! ae  " in text
    assert f"! ae {flag} (2 of 5 trials)" in text
    assert "not compared (flagged, or fewer than five seeds): ae" in text
    assert {cell.mark for cell in column_of(build.results(), "ae").values()} == {""}
    assert column_of(build.results(), "vae")["r2"].mark == "*"


def test_failed_trials_are_counted_and_told(drawn_results):
    build = drawn_results().fail("vae", 1).fail("vae", 4, "timeout", "took\nlonger than 60 s")
    text = printed(build.results())
    assert "16/18 trials ok" in text
    above = text[text.index("trials ok") : text.index("keep   r2")].splitlines()
    assert above[-2].strip() == "vae"
    assert "3/5 ok" in above[-1]
    assert "vae on fashion_mnist, seed 4 timeout: took longer than 60 s" in text
    assert "2 of 18 trials gave no result (vae)." in text
    assert column_of(build.results(), "vae")["r2"].seeds == 3


def test_a_score_that_failed_alone_is_told_in_its_cell(drawn_results):
    build = drawn_results()
    for row in build.rows:
        if (row["label"], row["score"]) == ("vae", "ari") and row["seed"] < 2:
            row.update(value=math.nan, status="failed", reason="k-means broke")
        if (row["label"], row["score"]) == ("vae", "walk_kd"):
            row.update(value=math.nan, status="failed", reason="no memory")
    lines = printed(build.results()).splitlines()
    ari = next(place for place, line in enumerate(lines) if line.startswith("group"))
    assert lines[ari + 1].strip() == "3/5 ok"
    assert "0/5 ok" in lines[ari + 2]


def test_many_failures_are_summed_up(builder):
    builder.add("vae", {"r2": 0.8}, seeds=9)
    for seed in range(8):
        builder.fail("vae", seed, message=f"reason {seed}")
    assert "and 3 more failed trials" in printed(builder.results())


def test_seeds_that_failed_in_the_same_way_share_a_line(builder):
    builder.add("vae", {"r2": 0.8}, seeds=9)
    for seed in range(8):
        builder.fail("vae", seed)
    assert "vae on fashion_mnist, seeds 0, 1, 2, 3, 4, 5, 6, 7 failed: out of memory" in printed(builder.results())


def test_survives_that_all_trials_failed(builder):
    builder.add("vae", {"r2": 0.8}, seeds=2).fail("vae", 0).fail("vae", 1)
    for form in ("text", "md", "csv"):
        assert printed(builder.results(), form)
    assert "0/2 ok" in printed(builder.results())


def test_survives_trials_without_any_row(builder):
    builder.add("vae", {}, seeds=2).add("ae", {"r2": 0.5})
    text = printed(builder.results())
    assert "vae" in text
    assert "..." in text


def test_survives_a_run_without_scores(builder):
    assert "no scores" in printed(builder.results())
    assert "no scores" in printed(builder.results(), "md")
    assert printed(builder.results(), "csv").startswith("dataset,for,score")


def test_survives_that_no_score_is_a_headline(builder):
    builder.add("ae", {"mse": 0.1})
    assert "no scores" in printed(builder.results())
    assert ".100" in printed(builder.results(), every=True)


def test_survives_one_model_one_seed_and_no_floor(builder):
    builder.add("ae", {"r2": 0.874}, seeds=1, floor=math.nan)
    line = next(line for line in printed(builder.results()).splitlines() if line.startswith("keep"))
    assert line.split() == ["keep", "r2", "up", "-", ".874", "10k"]
    assert "no stars with fewer than five seeds" in printed(builder.results())


def test_survives_only_a_reference_that_feeds_the_floor(builder):
    builder.add("untrained", {"r2": 0.1})
    assert "untrained" in printed(builder.results())


def test_survives_infinite_values(builder):
    builder.add("ae", {"psnr": math.inf}).add("vae", {"psnr": 20.0})
    assert "inf" in printed(builder.results())


def test_trials_that_never_ran_are_not_ok(builder):
    results = builder.add("ae", {"r2": 0.8}).results()
    results.trials[0].outcome = None
    assert "4/5 trials ok" in printed(results)


def test_each_data_set_has_its_table(builder):
    builder.add("ae", {"r2": 0.8}).add("ae", {"r2": 0.3}, dataset="digits").add(
        "vae", {"r2": 0.4}, dataset="digits"
    )
    lines = printed(builder.results()).splitlines()
    assert [line.split()[0] for line in lines if "trials ok" in line] == ["fashion_mnist", "digits"]
    assert len(printed(builder.results(), "csv").splitlines()) == 3


def test_mixed_environments_are_told(builder):
    builder.add("ae", {"r2": 0.8}).add("vae", {"r2": 0.8}, environment="e2")
    assert "2 different environments" in printed(builder.results())


def test_items_decide_in_the_table_too(builder):
    """Two models apart by seeds alone; their items say that the test set could not tell."""
    builder.add("ae", {"r2": 0.80}, spread=1e-4).add("vae", {"r2": 0.79}, spread=1e-4)
    assert column_of(builder.results(), "vae")["r2"].mark == ""
    assert "significance covers seeds only (no per-item values): r2" in printed(builder.results())
    spread = np.random.default_rng(0).normal(size=50)
    for trial in builder.trials:
        items = 0.80 + spread - spread.mean() if trial.label == "ae" else np.full(50, 0.79)
        builder.per_item[trial.key, "r2"] = items
    assert column_of(builder.results(), "vae")["r2"].mark == "="
    assert "covers seeds only" not in printed(builder.results())


def single_trials(builder, *labels, gap=0.1):
    """Models with one trial each, which differ by `gap` in the items of knn10; ari has no values of items."""
    shared = np.random.default_rng(0).normal(size=400)
    for place, label in enumerate(labels):
        own = np.random.default_rng([1, place]).normal(size=400) * 0.1
        items = shared - shared.mean() + own - own.mean() + 0.9 - gap * place
        builder.add(label, {"knn10": float(items.mean()), "ari": 0.5 - 0.1 * place}, deterministic=True)
        builder.per_item[builder.trials[-1].key, "knn10"] = items
    return builder.results()


def test_models_with_one_trial_each_are_starred_over_items(builder):
    results = single_trials(builder, "mine", "theirs")
    text = printed(results)
    assert (column_of(results, "mine")["knn10"].mark, column_of(results, "theirs")["knn10"].mark) == ("*", "")
    assert column_of(results, "mine")["ari"].mark == ""
    assert "significance covers test items, not seeds (one trial a model)" in text
    assert "no star (no per-item values): ari" in text
    assert "To find similar items (knn10): mine" in text
    assert "seeds" not in text.splitlines()[0]
    assert "too few" not in text
    assert "fewer than five" not in text


def test_single_trials_that_items_do_not_tell_apart_are_tied(builder):
    results = single_trials(builder, "mine", "theirs", gap=0.001)
    assert (column_of(results, "mine")["knn10"].mark, column_of(results, "theirs")["knn10"].mark) == ("*", "=")


def test_beside_single_trials_a_flagged_model_is_named_too(builder):
    builder.add("ae", {"knn10": 0.95}, seeds=2, flags=("not converged",))
    text = printed(single_trials(builder, "mine", "theirs"))
    assert "Only 2 seeds of ae: too few to compare with the other models." in text
    assert "Not converged: ae in 2 of 2 trials." in text


def test_beside_single_trials_one_seed_of_a_trained_model_is_left_out(builder):
    builder.add("ae", {"knn10": 0.95, "ari": 0.9}, seeds=1)
    text = printed(single_trials(builder, "mine", "theirs"))
    assert "not compared (flagged, or fewer than five seeds): ae" in text
    assert "One seed of ae: too few to compare with the other models." in text
    assert "no stars" not in text
    assert column_of(builder.results(), "mine")["knn10"].mark == "*"


def test_csv_reads_back_exactly(drawn_results):
    results = drawn_results().results()
    rows = list(csv.DictReader(io.StringIO(printed(results, "csv"))))
    assert list(rows[0])[:9] == [
        "dataset", "for", "score", "better", "floor", "pca_mean", "pca_low", "pca_high", "pca_n",
    ]  # fmt: skip
    r2 = next(row for row in rows if row["score"] == "r2")
    cell = column_of(results, "ae")["r2"]
    assert (float(r2["ae_mean"]), float(r2["ae_low"]), float(r2["ae_high"])) == (cell.mean, cell.low, cell.high)
    assert (r2["ae_n"], r2["ae_mark"], r2["pca_low"]) == ("5", "*", "")
    assert next(row for row in rows if row["score"] == "rate")["ae_mean"] == ""


def test_markdown_is_a_github_table(drawn_results):
    build = drawn_results().add("odd|model*", {"r2": 0.2})
    lines = printed(build.results(), "md").splitlines()
    grid = [line.replace(r"\|", "") for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in grid}) == 1
    assert set(grid[1]) <= set("|:- ")
    assert r"odd\|model\*" in next(line for line in lines if line.startswith("| for"))
    assert r"| \* .874±.003 |" in "\n".join(lines)


def test_an_unknown_form_is_refused(drawn_results):
    with pytest.raises(RequestError, match="text, md, csv, latex, html, not 'pdf'"):
        printed(drawn_results().results(), "pdf")


RANKS = """\
fashion_mnist  d=16  4 epochs  Gaussian, sigma learned  5 seeds  18/18 trials ok
for    score              better  floor  pca   ae  vae  beta_vae(4)  pixels    n
keep   r2                     up   .000    -  1-2  1-2            3       -  10k
find   knn10                  up   .760    -  1-2  1-2            3       -  10k
find   knn10_sample           up   .100    -    -    1            2       -  10k
group  ari                    up   .000    -  1-3  1-3          1-3       -   3k
walk   walk_kd              down  1.000    -  1-2  1-2            3       -   1k
use    rate, nats           none    0.0    -    -    -            -       -  10k
cost   train_seconds        down      -    -    3    1            2       -    1
cost   images_per_second      up      -    -    3    1            2       -    1
cost   peak_memory_bytes    down      -    -  1-2  1-2            3       -    1
1-3 range of ranks that significance allows (paired, Holm, 95 %)   - not ranked
cost: cpu, 1 thread, 2 trials at once, ungrouped, float32   clean times: --timing
critical difference: needs six data sets, there are 1
more: `latentbench table RUN` with --all, --for walk, --relative, --ranks; `latentbench info SCORE`
"""


def test_ranks_look_as_drawn(drawn_results):
    assert printed(drawn_results().results(), ranks=True) == RANKS


@pytest.mark.parametrize("form", ["text", "md", "csv", "latex", "html"])
def test_ranks_are_shown_in_every_form(drawn_results, form):
    text = printed(drawn_results().results(), form, ranks=True)
    assert "1-2" in text
    assert "±" not in text
    assert (form == "csv") != ("critical difference: needs six data sets, there are 1" in text)


def test_ranks_of_too_few_seeds_or_relative_to_a_floor_there_are_not(drawn_results):
    text = printed(drawn_results(seeds=3).results(), ranks=True)
    assert "no ranks with fewer than five seeds" in text
    assert "1-2" not in text
    with pytest.raises(RequestError, match="choose --ranks or --relative"):
        comparison_table(drawn_results().results(), relative=True, ranks=True)


def over_data_sets(builder, count):
    for place in range(count):
        for label, mean in (("ae", 0.9), ("vae", 0.8), ("pca", 1.0)):
            builder.add(label, {"r2": mean, "ari": mean} if place else {"r2": mean}, dataset=f"d{place}")
    return builder.results()


def test_six_data_sets_have_a_critical_difference_and_no_rank_over_scores(builder):
    results = over_data_sets(builder, 6)
    text = printed(results, ranks=True)
    line = "r2, average ranks over 6 data sets:   ae 1.00   vae 2.00   critical difference 0.80 (Nemenyi, 95 %)"
    assert text.count(line) == text.count("average ranks") == 1
    assert "critical difference: needs six data sets; ari has 5" in text
    assert "critical" not in printed(results)
    rows = list(csv.DictReader(io.StringIO(printed(results, "csv", ranks=True))))
    assert rows[-1]["dataset"] == "average over 6"
    assert (rows[-1]["ae_rank"], rows[-1]["vae_rank"], rows[-1]["pca_rank"]) == ("1.0", "2.0", "")
    assert float(rows[-1]["critical_difference"]) == pytest.approx(1.95996 * 6**-0.5, abs=1e-4)  # Demšar's table 5


def test_a_data_set_on_which_a_model_lacks_a_value_has_no_average_rank(builder):
    results = over_data_sets(builder, 6)
    results.change(lambda row: row.trial.startswith("d3-vae"), value=math.nan, status="failed")
    assert "critical difference: needs six data sets, there are 5" in printed(results, ranks=True)


def test_marks_do_not_depend_on_what_is_shown(drawn_results):
    """A clear gap alone in its row is not so clear among all headline scores, whichever are shown."""
    results = drawn_results().results()
    for label in ("ae", "vae", "beta_vae(4)"):
        all_marks = {score: cell.mark for score, cell in column_of(results, label).items()}
        for purpose in ("find", "group", "cost"):
            some = {score: cell.mark for score, cell in column_of(results, label, purposes=(purpose,)).items()}
            assert some == {score: all_marks[score] for score in some}
        every = {score: cell.mark for score, cell in column_of(results, label, every=True).items()}
        assert {score: every[score] for score in all_marks} == all_marks


def test_a_score_beside_the_headline_is_a_family_of_its_own(builder):
    """The gap is clear alone, and not among the other scores: found only where the score is no headline."""
    for headline in (True, False):
        build = type(builder)()
        for label, shift in (("ae", 0.0), ("vae", 0.0045)):
            build.add(label, {"r2": 0.5, "knn10": 0.8, "ari": 0.3}).add(
                label, {"mse": 0.1 + shift}, headline=headline
            )
        mark = column_of(build.results(), "vae", every=True)["mse"].mark
        assert mark == ("=" if headline else "")


def test_a_row_without_anyone_above_the_floor_has_no_star(drawn_results):
    build = drawn_results()
    assert "beats the floor" not in printed(build.results())
    for row in build.rows:
        row["floor"] = 0.6 if row["score"] == "walk_kd" else row["floor"]
    text = printed(build.results())
    assert "no star, none beats the floor: walk_kd" in text
    assert not any(sign in next(line for line in text.splitlines() if line.startswith("walk")) for sign in "*=")


def test_a_score_that_no_model_can_have_is_told_below_not_shown(builder):
    build = builder
    for label in ("pca", "ae", "vae"):
        build.add(label, {"r2": 0.8, "ari": "no labels", "rate": 3.0 if label == "vae" else "no posterior"})
    text = printed(build.results())
    assert "ari" not in column_of(build.results(), "ae")
    assert "not applicable to any model here: ari (no labels)" in text
    assert "rate" in column_of(build.results(), "ae")
    alone = printed(build.results(), purposes=("group",))
    assert "no labels" in alone
    assert "group  ari" in alone


def test_scores_asked_for_by_name_are_shown_headline_or_not(builder):
    results = builder.add("ae", {"r2": 0.8, "mse": 0.01}).results()
    assert "mse" not in column_of(results, "ae")
    results.request["scores"] = ["r2", "mse"]
    assert {"r2", "mse"} == column_of(results, "ae").keys()


def marks_beside(builder, score, ae, vae):
    """Marks of r2, in which the models are apart at p = 3 %, beside a score with these means."""
    builder.add("ae", {"r2": 1.0, score: ae}).add("vae", {"r2": 1.0, score: vae})
    for row in builder.rows:
        if row["score"] == "r2":
            row["value"] = 1.0 if row["label"] == "ae" else 0.978 + 0.01 * (row["seed"] - 2)
    return {label: column_of(builder.results(), label)["r2"].mark for label in ("ae", "vae")}


@pytest.mark.parametrize(("ae", "vae"), [(90.0, 90.0), (9.0, 90.0), (90.0, 9.0)])
def test_how_busy_the_machine_was_moves_no_mark_of_quality(builder, ae, vae):
    assert marks_beside(builder, "train_seconds", ae, vae) == {"ae": "*", "vae": ""}


@pytest.mark.parametrize(("vae", "mark"), [(0.9, "="), (0.8, "")])
def test_another_score_of_quality_does(builder, vae, mark):
    assert marks_beside(builder, "knn10", 0.9, vae) == {"ae": "*", "vae": mark}


def with_a_map(drawn_results, **scores):
    """The drawn table beside a model whose codes are made of all test items together."""
    build = drawn_results()
    build.add("tsne", {"r2": "no decoder", "knn10": 0.95, "ari": 0.9, **scores})
    for trial in build.trials:
        trial.traits = replace(trial.traits, encoder="none" if trial.label == "tsne" else "amortized")
    return build.results()


def test_a_model_that_makes_codes_together_is_marked_and_not_compared(drawn_results):
    results = with_a_map(drawn_results)
    text = printed(results)
    assert "tsne†" in text
    assert "vae†" not in text
    caution = "† not compared: codes computed jointly for all test items (transductive), probes cross-validated"
    assert caution in text
    assert "tsne" not in text.split("\n\n")[0]  # what the numbers say
    cells = column_of(results, "tsne")
    assert cells["knn10"].mean == pytest.approx(0.95)
    assert {cell.mark for cell in cells.values()} == {""}
    assert column_of(results, "ae")["knn10"].mark == "*"
    assert "not compared (flagged" not in text


def test_its_mark_stands_in_every_form_and_it_has_no_rank(drawn_results):
    results = with_a_map(drawn_results)
    for form in ("md", "html"):
        assert "tsne†" in printed(results, form)
    assert {cell.rank for cell in column_of(results, "tsne", ranks=True).values()} == {None}
    assert "tsne†" not in printed(drawn_results().results())


def test_the_heading_tells_epochs_of_those_that_take_steps(builder):
    build = builder.add("ae", {"r2": 0.5}).add("umap", {"r2": 0.4}, epochs=8)
    assert "4,8 epochs" in printed(build.results())
    for trial in build.trials:
        trial.traits = replace(trial.traits, steps=trial.label == "ae")
    assert "  4 epochs  " in printed(build.results())


def test_alone_it_is_read_like_any_other(builder):
    builder.add("tsne", {"knn10": 0.95})
    for trial in builder.trials:
        trial.traits = replace(trial.traits, encoder="none")
    assert "tsne†" in printed(builder.results())
