"use strict";
// What lies on a map beside its dots: the place that is decoded, a cross with a circle around the items that its code
// was made from; and ways of codes, each dashed in its own manner, with a dot where it stands.
{
  const ARM = 9; // CSS pixels
  const GRIP = 16; // CSS pixels from the middle within which a drag moves the cross

  const DASHES = [[], [7, 4], [2, 3]]; // CSS pixels

  function drawCross(view, ink, paper) {
    const [x, y] = view.pixelOf(view.cross.place);
    const [edge] = view.pixelOf([view.cross.place[0] + view.cross.radius, view.cross.place[1]]);
    const arm = ARM * devicePixelRatio;
    const { context } = view;
    context.beginPath();
    if (edge > x) context.arc(x, y, edge - x, 0, 7);
    context.moveTo(x - arm, y);
    context.lineTo(x + arm, y);
    context.moveTo(x, y - arm);
    context.lineTo(x, y + arm);
    for (const [width, color] of [[5, `rgb(${paper.join()})`], [2, ink]]) {
      context.lineWidth = width * devicePixelRatio;
      context.strokeStyle = color;
      context.stroke();
    }
  }

  /** Return whether a point in CSS pixels lies on the cross. */
  function onCross(view, [x, y]) {
    if (!view.cross) return false;
    const [across, down] = view.pixelOf(view.cross.place).map((each) => (each * view.canvas.clientWidth) / view.canvas.width);
    return Math.hypot(across - x, down - y) < GRIP;
  }

  function drawWays(view, ink, paper) {
    const { context, ways } = view;
    ways.forEach(({ places, at }, number) => {
      context.setLineDash([]);
      line(view, places, 5, `rgb(${paper.join()})`);
      context.setLineDash(DASHES[number].map((each) => each * devicePixelRatio));
      line(view, places, 2, ink);
      context.setLineDash([]);
      context.beginPath();
      context.arc(...view.pixelOf(at), 4.5 * devicePixelRatio, 0, 7);
      context.fillStyle = ink;
      context.fill();
    });
  }

  function line(view, places, width, color) {
    view.context.beginPath();
    for (const place of places) view.context.lineTo(...view.pixelOf(place));
    view.context.lineWidth = width * devicePixelRatio;
    view.context.strokeStyle = color;
    view.context.stroke();
  }

  latentbench.drawCross = drawCross;
  latentbench.drawWays = drawWays;
  latentbench.onCross = onCross;
}
