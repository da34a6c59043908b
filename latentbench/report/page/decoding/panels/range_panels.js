"use strict";
// Panels that move through ranges: of single dimensions, and between three or more items.
const LatentRangePanels = (() => {
  const { mean, polygon, inside, shares } = LatentMixing;
  const { make, paint, frame } = LatentFrames;

  const STEP = 0.05; // of an arrow key on the pad

  function traversePanel(studio) {
    const [column, show] = [studio.part("dimensions"), frame(studio, studio.part("traverse"), "traversed")];
    studio.part("reset").addEventListener("click", () => studio.changed({ dimensions: {} }));
    let [sliders, filled] = [[], null];
    const fill = () => {
      filled = studio.model;
      sliders = filled.dimensions.map(({ dimension, activity }) => {
        const label = make("label", `dimension ${dimension} (${activity.toPrecision(2)})`);
        const slider = make("input", "", { type: "range", step: "any", "data-dimension": dimension });
        slider.addEventListener("input", () =>
          studio.changed({ dimensions: { ...studio.state.dimensions, [dimension]: Number(slider.value) } }));
        label.append(slider);
        return slider;
      });
      column.replaceChildren(...sliders.map((slider) => slider.parentElement));
    };
    return () => {
      if (filled !== studio.model) fill();
      const code = Float32Array.from(studio.code(studio.state.a));
      filled.dimensions.forEach(({ dimension, low, high }, number) => {
        const value = studio.state.dimensions[dimension] ?? code[dimension];
        Object.assign(sliders[number], { min: Math.min(low, code[dimension]), max: Math.max(high, code[dimension]), value });
        code[dimension] = value;
      });
      show(studio.picture(code), "A with these values");
      const numbers = filled.dimensionUnit === "nats" ? "rates in nats" : "variances";
      const span = `The most active dimensions, their ${numbers} in brackets; a slider spans nine tenths of the test codes.`;
      studio.say("traverse-words", span, [code]);
    };
  }

  function padPanel(studio) {
    const pad = studio.part("pad");
    const context = pad.getContext("2d");
    const [show, fade] = ["blend", "mean"].map((name) => frame(studio, studio.part("blend"), name));
    const [middle, radius] = [pad.width / 2, pad.width / 2 - 34];
    const move = (x, y) => studio.changed({ point: inside([x, y], studio.state.corners.length) });
    const follow = (event) => {
      const box = pad.getBoundingClientRect();
      const scale = pad.width / box.width;
      move(((event.clientX - box.left) * scale - middle) / radius, ((event.clientY - box.top) * scale - middle) / radius);
    };
    pad.addEventListener("pointerdown", (event) => (pad.setPointerCapture(event.pointerId), follow(event)));
    pad.addEventListener("pointermove", (event) => event.buttons && follow(event));
    pad.addEventListener("keydown", (event) => {
      const [x, y] = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key] ?? [];
      if (x === undefined) return;
      event.preventDefault();
      move(studio.state.point[0] + x, studio.state.point[1] + y);
    });
    const thumbnail = make("canvas");
    const drawPad = (corners, point) => {
      const places = polygon(corners.length).map(([x, y]) => [middle + radius * x, middle + radius * y]);
      context.clearRect(0, 0, pad.width, pad.height);
      context.strokeStyle = context.fillStyle = getComputedStyle(pad).color;
      context.beginPath();
      places.forEach(([x, y]) => context.lineTo(x, y));
      context.closePath();
      context.stroke();
      places.forEach(([x, y], corner) => {
        paint(thumbnail, studio.items[corners[corner]], studio.shape);
        context.drawImage(thumbnail, x - 20, y - 20, 40, 40);
        context.fillText(corner + 1, x - 30, y);
      });
      context.beginPath();
      context.arc(middle + radius * point[0], middle + radius * point[1], 7, 0, 7);
      context.fill();
    };
    return () => {
      const { corners, point } = studio.state;
      const inner = inside(point, corners.length);
      const parts = shares(inner, corners.length);
      const code = mean(corners.map(studio.code), parts);
      drawPad(corners, inner);
      show(studio.picture(code), "mean of the codes, decoded");
      fade(mean(corners.map((item) => studio.items[item]), parts), "mean of the pictures, without a model");
      const list = corners.map((item, corner) => `${studio.names[item]} ${Math.round(100 * parts[corner])} %`);
      studio.say("pad-words", `${list.join(", ")}.`, [code]);
    };
  }

  return { traversePanel, padPanel };
})();
