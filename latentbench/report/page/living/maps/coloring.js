"use strict";
// What the reader can color dots by: class, a factor, a score of each item, the neighbors that two spaces share.
{
  const { element, colors, controls } = latentbench;

  class Coloring {
    constructor(items, spaces) {
      this.items = items;
      this.choices = choices(items, spaces);
    }

    /** Return the colors of both sides, the names written on the maps (or null), and a legend. */
    of(choice, spaces, near, select) {
      const [kind, ...rest] = choice.split(".");
      if (kind === "class") return this.byClass(select);
      const values = this.values(kind, rest.join("."), spaces, near);
      const range = colors.range(values.flatMap((each) => [...each]));
      return { sides: values.map((each) => colors.byValue(each, range)), marks: null, legend: controls.scaleLegend(range) };
    }

    byClass(select) {
      const { classes, count } = this.items;
      const side = colors.byClass(classes, count);
      return { sides: [side, side], marks: classes?.colors.length ? classes : null, legend: this.classLegend(select) };
    }

    classLegend(select) {
      const { classes } = this.items;
      if (!classes) return "";
      if (!classes.colors.length) return element("p", { className: "under" }, `${classes.names.length} classes, too many for colors.`);
      const members = (place) => [...this.items.rows.keys()].filter((item) => classes.of[item] === place);
      return controls.classLegend(classes, (place) => select(members(place)));
    }

    /** Return the values that color the left and the right map; NaN where there is none. */
    values(kind, name, spaces, near) {
      const none = new Float32Array(this.items.count).fill(NaN);
      if (kind === "factor") return spaces.map(() => this.items.factors[name].values);
      if (kind === "score") return spaces.map((space) => space.score(name) ?? none);
      return spaces.map(() => near ?? none);
    }
  }

  /** Return what can be chosen: [value, words]. */
  function choices({ classes, factors }, spaces) {
    const scores = new Set(spaces.flatMap((space) => space.content.scores.map((each) => each.name)));
    const near = spaces.some((space) => space.content.neighbors);
    return [
      ["class", classes ? "class" : "nothing"],
      ...factors.map(({ name }, place) => [`factor.${place}`, name]),
      ...[...scores].map((name) => [`score.${name}`, name]),
      ...(near ? [["agreement", "neighbors shared by both spaces"]] : []),
    ];
  }

  latentbench.Coloring = Coloring;
}
