"use strict";
// Tables of scores: a click on a score sorts the models by it, buttons leave the scores of one purpose, CSV is handed out.
{
  const { element, state } = latentbench;
  const NEXT = { "": "best", best: "worst", worst: "" };

  class ScoreTable {
    constructor(table) {
      this.table = table;
      this.key = table.dataset.state;
      this.tools = document.getElementById(table.dataset.tools);
      this.rows = [...table.tBodies[0].rows].filter((row) => row.dataset.score !== undefined);
      this.models = [...table.tHead.rows[0].cells].filter((cell) => cell.dataset.model !== undefined);
      this.buttons = this.rows.map((row) => this.sortButton(row));
      this.tools.querySelector(".csv").addEventListener("click", () => this.handOut());
      for (const button of this.purposes()) button.addEventListener("click", () => this.filter(button.value));
      this.tools.hidden = false;
      this.sort(...this.sorting());
      this.filter(state.get(`${this.key}.for`));
    }

    purposes() {
      return [...this.tools.querySelectorAll(".purposes button")];
    }

    /** Return the row and the order that the address names. */
    sorting() {
      const [order, ...score] = state.get(`${this.key}.sort`).split(":");
      return [this.rows.find((row) => row.dataset.score === score.join(":")), order];
    }

    sortButton(row) {
      const name = row.querySelector(".score-name");
      const button = element("button", { type: "button", className: "sort" }, ...name.childNodes);
      button.addEventListener("click", () => {
        const [sorted, order] = this.sorting();
        this.sort(row, NEXT[row === sorted ? order : ""]);
      });
      name.replaceChildren(button);
      return button;
    }

    sort(row, order = "") {
      const known = row !== undefined && Object.hasOwn(NEXT, order) ? order : "";
      const places = known ? ordered(row, known) : this.models.map((_, place) => String(place));
      for (const each of this.table.rows) arrange(each, places);
      this.rows.forEach((each, place) => mark(each, this.buttons[place], each === row ? known : ""));
      state.set(`${this.key}.sort`, known && `${known}:${row.dataset.score}`);
    }

    /** Show the scores of one purpose; all without one, or where no score has it. */
    filter(purpose) {
      const known = this.purposes().some((button) => button.value === purpose) ? purpose : "";
      for (const row of this.rows) row.hidden = known !== "" && row.dataset.purpose !== known;
      for (const button of this.purposes()) button.setAttribute("aria-pressed", String(button.value === known));
      state.set(`${this.key}.for`, known);
    }

    handOut() {
      const seen = this.rows.filter((row) => !row.hidden);
      const names = cells(this.table.tHead.rows[0]).map((cell) => cell.dataset.label);
      const head = ["for", "score", "better", "unit", "floor", "ceiling", ...names, "n"];
      latentbench.download(this.table.dataset.file, latentbench.csv([head, ...seen.map(numbers)]));
    }
  }

  function cells(row) {
    return [...row.querySelectorAll("[data-model]")];
  }

  function value(cell) {
    return cell.dataset.value === undefined ? NaN : Number(cell.dataset.value);
  }

  /** Return the places of the models in the order of a score; those without a value come last. */
  function ordered(row, order) {
    const sign = (row.dataset.better === "up" ? -1 : 1) * (order === "worst" ? -1 : 1);
    const goal = row.dataset.better.startsWith("near:") ? Number(row.dataset.better.slice(5)) : null;
    const costs = cells(row).map((cell) => [cell.dataset.model, goal === null ? value(cell) : Math.abs(value(cell) - goal)]);
    costs.sort(([first, one], [second, other]) =>
      Number.isNaN(one) - Number.isNaN(other) || sign * (one - other) || first - second);
    return costs.map(([place]) => place);
  }

  function arrange(row, places) {
    const byPlace = new Map(cells(row).map((cell) => [cell.dataset.model, cell]));
    if (byPlace.size) row.lastElementChild.before(...places.map((place) => byPlace.get(place)));
  }

  /** Return what the next click on a score does. */
  function advice({ score, better }, order) {
    const [best, worst] = better === "none" ? ["smallest", "largest"] : ["best", "worst"];
    if (order === "worst") return `Show the models in their first order, no longer sorted by ${score}`;
    return `Sort the models by ${score}, ${order === "best" ? worst : best} first`;
  }

  function mark(row, button, order) {
    button.title = advice(row.dataset, order);
    button.dataset.order = order;
    const heading = button.closest("th");
    if (order) heading.setAttribute("aria-sort", order === "best" ? "ascending" : "descending");
    else heading.removeAttribute("aria-sort");
  }

  function numbers(row) {
    const { purpose, score, better, unit, floor, ceiling, items } = row.dataset;
    const values = cells(row).map((cell) => value(cell));
    return [purpose, score, better, unit, Number(floor), Number(ceiling), ...values, Number(items)];
  }

  latentbench.part("Sorting", () => {
    for (const table of document.querySelectorAll("table[data-state]")) new ScoreTable(table);
  });
}
