"use strict";
// The place on a map that is decoded: a cross, and a circle around the items that its code was made from.
{
  const ARM = 9; // CSS pixels
  const GRIP = 16; // CSS pixels from the middle within which a drag moves the cross

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

  latentbench.drawCross = drawCross;
  latentbench.onCross = onCross;
}
