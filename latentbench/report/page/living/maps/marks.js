"use strict";
// The names of classes on a map, each at the median of its dots, none on another, none outside.
{
  const STEPS = [0, 1, -1, 2, -2, 3, -3]; // lines by which a name may move

  function median(values) {
    values.sort();
    return values[values.length >> 1];
  }

  /** Return the middle of each class's places: [x, y], or nothing where none is on the map. */
  function classMiddles(places, { of, names }) {
    const across = Array.from({ length: names.length }, () => []);
    const down = Array.from({ length: names.length }, () => []);
    of.forEach((place, item) => {
      if (places[2 * item] !== places[2 * item]) return;
      across[place].push(places[2 * item]);
      down[place].push(places[2 * item + 1]);
    });
    return across.map((values, place) => values.length && [median(Float32Array.from(values)), median(Float32Array.from(down[place]))]);
  }

  function overlap(one, other) {
    return Math.abs(one.x - other.x) < (one.wide + other.wide) / 2 && Math.abs(one.y - other.y) < (one.high + other.high) / 2;
  }

  /** Return a free place near a middle, or undefined where there is none. */
  function settled(box, taken, side) {
    const x = Math.min(Math.max(box.x, box.wide / 2), side - box.wide / 2);
    const moved = STEPS.map((step) => ({ ...box, x, y: box.y + step * box.high }));
    return moved.find((each) => each.y > box.high / 2 && each.y < side - box.high / 2 && !taken.some((other) => overlap(each, other)));
  }

  /** Write names at their middles in pixels; one that finds no room is left to the legend. */
  function drawMarks(context, names, middles, ink, paper) {
    const high = 15 * devicePixelRatio;
    context.font = `600 ${12 * devicePixelRatio}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    const taken = [];
    middles.forEach((middle, place) => {
      const name = names[place].replace(/^class (?=-?\d+$)/, "");
      const inside = middle && middle.every((each) => each > 0 && each < context.canvas.width);
      const box = inside && settled({ x: middle[0], y: middle[1], wide: context.measureText(name).width + high / 2, high }, taken, context.canvas.width);
      if (!box) return;
      taken.push(box);
      write(context, name, box, ink, paper);
    });
  }

  function write(context, name, { x, y }, ink, paper) {
    context.lineJoin = "round";
    context.lineWidth = 4 * devicePixelRatio;
    context.strokeStyle = `rgb(${paper.join()})`;
    context.strokeText(name, x, y);
    context.fillStyle = ink;
    context.fillText(name, x, y);
  }

  latentbench.classMiddles = classMiddles;
  latentbench.drawMarks = drawMarks;
}
