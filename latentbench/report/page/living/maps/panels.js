"use strict";
// What is said of items beside the maps: one item with its neighbors in both spaces, or all that are selected.
{
  const { element } = latentbench;
  const MOST = 60; // thumbnails of a selection

  function figure(items, item, note = "") {
    const picture = items.thumbnail(item);
    return element("figure", { className: "item" }, ...(picture ? [picture] : []), element("figcaption", {}, note || items.name(item)));
  }

  /** Show an item and its neighbors in two spaces; those that are near in both stand out. */
  function showItem(box, items, item, spaces) {
    const near = spaces.map((space) => space.neighbors(item));
    const both = new Set(near[0].filter((each) => near[1].includes(each)));
    const rows = spaces.map((space, side) => neighborRow(items, space.name, near[side], both));
    const same = near.every((each) => each.length) ? `${both.size} of ${near[0].length} neighbors are the same in both spaces.` : "";
    box.replaceChildren(figure(items, item), ...rows, element("p", { className: "under" }, same));
  }

  function neighborRow(items, name, neighbors, both) {
    const words = neighbors.length ? `nearest in ${name}` : `No neighbors were computed in ${name}.`;
    const shown = neighbors.map((each) => {
      const made = figure(items, each, items.thumbnails ? String(items.rows[each]) : "");
      made.classList.toggle("both", both.has(each));
      made.title = items.name(each);
      return made;
    });
    return element("div", {}, element("h5", {}, words), element("div", { className: "items" }, ...shown));
  }

  /** Show what is selected: how many of each class, and their thumbnails. */
  function showSelection(box, items, selected, note) {
    if (!selected.length) return box.replaceChildren();
    const said = `${selected.length.toLocaleString("en")} of ${items.count.toLocaleString("en")} items selected`;
    const counts = items.byClass(selected).map(([place, number]) => count(items.classes.names[place], number, selected.length));
    const shown = selected.slice(0, MOST).map((item) => figure(items, item, items.thumbnails ? String(items.rows[item]) : ""));
    const fewer = selected.length > MOST ? `The first ${MOST} are shown. ` : "";
    box.replaceChildren(
      element("h5", {}, said),
      element("ul", { className: "counts" }, ...counts),
      element("div", { className: "items" }, ...shown),
      element("p", { className: "under" }, fewer + note),
    );
  }

  function count(name, number, all) {
    const bar = element("span", { className: "bar" }, element("span"));
    bar.firstChild.style.width = `${(100 * number) / all}%`;
    return element("li", {}, `${name} `, element("b", {}, String(number)), bar);
  }

  latentbench.panels = { showItem, showSelection };
}
